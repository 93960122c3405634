"""What the ephemeral profile costs, as ratios against aiida-core's own storages: ``python -m benchmarks``."""

"""Shows a script that uses AiiDA without setting up a profile first: run it with `python examples/count_words.py`. It
prints what it found, and the profile is gone when the block ends.
"""

from pytest_aiida_temp import temp_profile

TEXT = 'the cat and the dog and the bird'


def main() -> None:
    """Count words with a calculation function, and ask the provenance how often it ran."""
    with temp_profile() as profile:
        from aiida import orm
        from aiida.engine import calcfunction

        @calcfunction
        def count(text: orm.Str) -> orm.Dict:
            words = text.value.split()
            return orm.Dict({word: words.count(word) for word in sorted(set(words))})

        result = count(orm.Str(TEXT))
        print(result.get_dict())
        print(f'{orm.QueryBuilder().append(orm.CalcFunctionNode).count()} calculation in profile {profile.name}')


if __name__ == '__main__':
    main()

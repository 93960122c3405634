from aiida.manage.configuration import get_config

CONFIG = get_config()
DEFAULT = CONFIG.get_option('caching.default_enabled')

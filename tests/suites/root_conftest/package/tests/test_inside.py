from aiida import orm


def test_inside(of_package, aiida_profile_clean):
    assert orm.load_node(of_package.uuid).value == 'of the package'

import click
from aiida.cmdline.utils.decorators import with_dbenv


@click.group()
def main():
    """Of a package."""


@main.command('store')
@with_dbenv()
def store_node():
    """Store a node."""
    from aiida import orm

    click.echo(orm.Int(4).store().pk)


if __name__ == '__main__':
    main()

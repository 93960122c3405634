"""An application whose worker threads read and write the storage."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import urlopen

import pytest
from nodes import count

pytest_plugins = ['aiida.tools.pytest_fixtures']


class Handler(BaseHTTPRequestHandler):
    """Marks the node of the uuid in its path, and answers with how many nodes there are."""

    def do_GET(self):
        from aiida import orm

        orm.load_node(self.path[1:]).base.extras.set('seen', True)
        answer = count()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(answer).encode())

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def client(aiida_profile_clean):
    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield lambda uuid: int(urlopen(f'http://127.0.0.1:{server.server_port}/{uuid}').read())
        server.shutdown()
        thread.join()

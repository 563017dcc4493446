"""Run by the interpreter that has Pulsar: a job of Galaxy in a container of docker. usage: pulsar_job.py IMAGE COMMAND DIRECTORY

A real Pulsar server on loopback, its real client, and the command line that Galaxy makes for a tool with a container. Prints the
job's last status as JSON.
"""

import json
import sys
import threading
import time
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from galaxy.tool_util.deps.container_classes import DockerContainer
from galaxy.tool_util.deps.dependencies import AppInfo, JobInfo, ToolInfo
from pulsar.client.manager import build_client_manager
from pulsar.core import PulsarApp
from pulsar.web.wsgi import PulsarWebApp

image, command, directory = sys.argv[1:]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


app = PulsarWebApp(
    PulsarApp(
        staging_directory=f"{directory}/staging", persistence_directory=f"{directory}/persisted", tool_dependency_dir="none"
    )
)
server = make_server("127.0.0.1", 0, app, server_class=Server, handler_class=Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
manager = build_client_manager()
client = manager.get_client({"url": f"http://127.0.0.1:{server.server_port}/"}, "7")
places = client.setup(tool_id="count", tool_version="1.0")
job = JobInfo(places["working_directory"], None, places["job_directory"], None, None, "pulsar")
settings = {"docker_net": "none", "docker_env_WORDS": "two words"}
container = DockerContainer(image, AppInfo(container_image_cache_path=directory), ToolInfo(), settings, job, None, "galaxy-7")
client.launch(container.containerize_command(command))
end = time.monotonic() + 60
while time.monotonic() < end:
    status = client.full_status()
    if status["complete"] == "true":
        break
    time.sleep(0.2)
print(json.dumps({name: status.get(name) for name in ("complete", "returncode", "job_stdout", "job_stderr")}))
sys.stdout.flush()
client.clean()
manager.shutdown()
app.shutdown()

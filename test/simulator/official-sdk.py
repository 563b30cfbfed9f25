"""Drives the simulator with ScrapeNest's official SDK, unmodified, and prints the result of each step."""

import time
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import scrapenest
from scrapenest import ScrapeNestClient, verify_webhook

base_url, api_key, page = sys.argv[1:4]
result = {"version": scrapenest.__version__}
received, secrets = [], []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            received.append(verify_webhook(body, self.headers, secrets[-1]))
            self.send_response(202)
        except scrapenest.WebhookVerificationError as error:
            received.append({"refused": str(error)})
            self.send_response(400)
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"


def failure_of(call):
    try:
        call()
    except scrapenest.ScrapeNestAPIError as error:
        return [type(error).__name__, error.status_code, error.error, len(error.details), bool(error.request_id)]


with ScrapeNestClient(api_key=api_key, base_url=base_url) as client:
    endpoint = client.webhook_endpoints.create(name="sdk", url=url, metadata={"team": "a"})
    secrets.append(endpoint.secret)
    result["endpoint"] = [endpoint.name, endpoint.status, endpoint.metadata, endpoint.secret[:6]]

    submitted = client.submit(
        job_type="standard",
        target_url=page,
        idempotency_token="token",
        tags=["batch:nightly"],
        artifact_options={"include_screenshot": True},
    )
    result["replay"] = client.submit(
        job_type="standard", target_url=page, idempotency_token="token"
    ).idempotent_replay
    scraped = client.scrape(job_type="light", target_url=page)
    result["scraped"] = [scraped.status, scraped.artifact_count, scraped.failure_reason]

    job = client.jobs.get(submitted.job_id, include_download_urls=True)
    result["job"] = [job.status, job.outcome, job.is_terminal, job.tags, [a.artifact_type for a in job.artifacts]]
    result["urls"] = all(a.download_url and a.expires_at and a.content_hash for a in job.artifacts)
    by_type = {a.artifact_type: a for a in job.artifacts}
    html = client.artifacts.download_text(by_type["html"].artifact_id)
    result["html"] = ["An item" in html, len(html.encode()) == by_type["html"].byte_size]
    result["png"] = client.artifacts.download_bytes(by_type["screenshot"].artifact_id)[:4].hex()
    manifest = client.jobs.get_manifest(submitted.job_id)
    result["manifest"] = [manifest.engine, manifest.outcome, manifest.credits.charged, len(manifest.artifacts)]
    result["manifest_request"] = [manifest.user_agent, manifest.retry_count, manifest.request["tags"]]

    result["listed"] = [client.jobs.list(tag="batch:nightly").total, len(list(client.jobs.iter(page_size=1)))]
    result["stats"] = client.jobs.stats().totals.succeeded

    # A job ends before its last message is acknowledged.
    for _ in range(500):
        messages = list(client.webhook_endpoints.iter_messages(endpoint.endpoint_id, page_size=2))
        if all(message.status != "pending" for message in messages):
            break
        time.sleep(0.02)
    result["messages"] = sorted({m.status for m in messages}) + [len(messages)]
    attempts = client.webhook_endpoints.attempts(endpoint.endpoint_id, messages[-1].message_id)
    result["attempts"] = [[a.status, a.status_code] for a in attempts.items]

    rotated = client.webhook_endpoints.rotate_secret(endpoint.endpoint_id)
    secrets.append(rotated.secret)
    count = len(received)
    client.scrape(job_type="light", target_url=page)
    result["after_rotation"] = [rotated.secret != endpoint.secret, len(received) > count]
    result["events"] = sorted({event.get("event_type", str(event)) for event in received})

    result["paused"] = client.webhook_endpoints.pause(endpoint.endpoint_id).status
    resumed = client.webhook_endpoints.resume(endpoint.endpoint_id)
    result["resumed"] = [resumed.status, resumed.changed_at is not None]
    result["updated"] = client.webhook_endpoints.update(endpoint.endpoint_id, name="new", url=url).name
    client.webhook_endpoints.delete(endpoint.endpoint_id)
    result["endpoints"] = len(client.webhook_endpoints.list())

    result["not_found"] = failure_of(lambda: client.jobs.get("none"))
    result["missing"] = {
        "monitors": failure_of(client.monitors.list),
        "api_keys": failure_of(client.api_keys.list),
        "retention": failure_of(client.retention.get_policy),
        "org": failure_of(client.org.get_ip_allowlist),
        "audit_logs": failure_of(client.audit_logs.list),
    }
    result["resources"] = sorted(
        name for name, value in vars(client).items() if type(value).__name__.endswith("Resource")
    )
    result["invalid"] = failure_of(lambda: client.submit(job_type="light", target_url="not-a-url"))
with ScrapeNestClient(api_key="wrong", base_url=base_url) as client:
    result["unauthorized"] = failure_of(lambda: client.jobs.list())

print(json.dumps(result))

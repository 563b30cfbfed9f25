"""Verifies a JSON list of deliveries with ScrapeNest's official SDK and prints the results as JSON."""

import json
import sys

import scrapenest

results = []
for delivery in json.load(sys.stdin):
    try:
        body = bytes.fromhex(delivery["body"])
        scrapenest.verify_webhook(body, delivery["headers"], delivery["secret"])
        results.append("accepted")
    except scrapenest.WebhookVerificationError as error:
        results.append(str(error))
    except Exception as error:
        results.append(type(error).__name__)
print(json.dumps(results))

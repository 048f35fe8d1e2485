"""A request a line in, an answer a line out, both form-encoded, by requests or urllib."""

import sys
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlencode


def by_requests():
    import requests

    session = requests.Session()

    def send(method, url, headers, body):
        answer = session.request(method, url, headers=headers, data=body)
        return answer.status_code, answer.headers.get("location"), answer.content

    return send


def by_urllib():
    def send(method, url, headers, body):
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        return answer.status, answer.headers.get("location"), answer.read()

    return send


send = {"requests": by_requests, "urllib": by_urllib}[sys.argv[1]]()
for line in sys.stdin:
    fields = parse_qs(line.strip(), keep_blank_values=True)
    headers = dict(zip(fields.get("name", []), fields.get("value", [])))
    body = fields["body"][0].encode() if "body" in fields else None
    try:
        status, location, content = send(fields["method"][0], fields["url"][0], headers, body)
        answer = {"status": status, "body": content.decode()}
        if location:
            answer["location"] = location
    except Exception as error:
        answer = {"error": repr(error)}
    print("answer=1&" + urlencode(answer), flush=True)

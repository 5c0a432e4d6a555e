"""A small OpenAI-compatible server that says what it was told to: for what a small model cannot do."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27,
         "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 2}}


def calls(*functions):
    return [{"index": i, "id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for i, (name, arguments) in enumerate(functions)]


class ScriptedUpstream:
    """`message` is the assistant's message that every chat answers; `requests` are the bodies that came, oldest first."""

    def __init__(self):
        self.message = {"role": "assistant", "content": "Hello"}
        self.finish = "stop"
        self.pause = threading.Event()
        self.pause.set()
        self.requests = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                upstream.requests.append(body)
                if self.path.endswith("/rerank"):
                    return self.answer({"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]})
                if self.path.endswith("/moderations"):
                    return self.answer({"id": "modr-1", "model": body["model"], "results": [
                        {"flagged": True, "categories": {"violence": True}, "category_scores": {"violence": 0.9}}]})
                if not self.path.endswith("/chat/completions"):
                    return self.answer({"error": {"message": "no such thing", "type": "invalid_request_error",
                                                  "param": None, "code": None}}, 404)
                if body.get("stream"):
                    return self.stream(body)
                upstream.pause.wait(30)
                return self.answer({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
                                    "choices": [{"index": 0, "message": upstream.message, "finish_reason": upstream.finish,
                                                 "logprobs": None}], "usage": USAGE})

            def answer(self, body, status=200):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def stream(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                message = upstream.message

                def send(delta, finish=None):
                    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"],
                             "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
                    self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                    self.wfile.flush()

                send({"role": "assistant", "content": ""})
                for piece in message.get("reasoning_content", "").split():
                    send({"reasoning_content": piece + " "})
                for piece in (message.get("content") or "").split():
                    send({"content": piece + " "})
                upstream.pause.wait(30)
                for call in message.get("tool_calls", []):
                    text = call["function"]["arguments"]
                    send({"tool_calls": [{**call, "function": {"name": call["function"]["name"], "arguments": ""}}]})
                    for at in range(0, len(text), 5):
                        send({"tool_calls": [{"index": call["index"], "function": {"arguments": text[at:at + 5]}}]})
                send({}, upstream.finish)
                usage = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"],
                         "choices": [], "usage": USAGE}
                self.wfile.write(f"data: {json.dumps(usage)}\n\ndata: [DONE]\n\n".encode())
                self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def say(self, content=None, finish="stop", **more):
        self.message = {"role": "assistant", "content": content, **more}
        self.finish = finish
        self.requests.clear()

    def config(self, *models):
        names = ", ".join(f'"{name}"' for name in models)
        return f"upstreams:\n  - {{ name: scripted, dialect: openai, url: {self.url}, key: none, models: [{names}] }}\n"

    def stop(self):
        self.pause.set()
        self.server.shutdown()

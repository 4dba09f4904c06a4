"""A typed client: stream an answer, show tool calls, and keep the text of a truncated answer."""

import os
from functools import partial

import httpx

from sseparse import ChatCompletion, ChatStream, IncompleteStream
from sseparse.chunks import ContentDelta, ToolCallDone

show = partial(print, end="", flush=True)


def ask(client: httpx.Client, question: str) -> ChatCompletion:
    """Show an answer while it arrives, and return the completion."""
    messages = [{"role": "user", "content": question}]
    request = {"model": "gpt-4o-mini", "messages": messages, "stream": True}
    with (
        client.stream("POST", "chat/completions", json=request) as response,
        ChatStream(response) as stream,
    ):
        for update in stream.updates():
            match update:
                case ContentDelta(choice=0, text=text):
                    show(text)
                case ToolCallDone(name=name, value=value, fault=None):
                    show(f"[{name}: {value}]")
                case _:
                    pass
        return stream.result()


def describe(completion: ChatCompletion) -> str:
    """Return the finish reason and the token count, if the server sent them."""
    reason = completion.choices[0].finish_reason if completion.choices else None
    tokens = completion.usage.completion_tokens if completion.usage else None
    return f"finish_reason={reason}, tokens={tokens}"


def main() -> None:
    """Ask the server that the environment names."""
    with httpx.Client(
        base_url=os.environ["OPENAI_BASE_URL"],
        headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
        timeout=60,
    ) as client:
        try:
            completion = ask(client, "Count to 5, separated by commas.")
        except IncompleteStream as error:
            print(f"\ntruncated after {error.end.events_seen} events")
            return
    print(f"\n{describe(completion)}")


if __name__ == "__main__":
    main()

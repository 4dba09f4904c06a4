"""Chunks of chat completions and of legacy completions."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from ..payloads._model import Kind, Model, Piece, TokenCounts, encode_json
from ._base import BaseChunk
from ._texts import other_reasoning, reasoning_of, reasoning_texts, text_of

# Entries of `reasoning_details`: the fields that arrive in pieces, those that identify the entry
# of a piece, and the type of entries that are never split.
TEXTS: Final = ("text", "summary", "data")
KEY: Final = ("type", "index")
ENCRYPTED: Final = "reasoning.encrypted"


class TopLogprob(Model, kw_only=True):
    """One of the most likely tokens at a position, with the fields of `TokenLogprob`."""

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None


class TokenLogprob(Model, kw_only=True):
    """
    Log-probability of a token.

    Attributes:
        token: The token's text.
        logprob: Natural logarithm of the token's probability; -9999.0 means very unlikely.
        bytes: The token's UTF-8 bytes. A character can be split over several tokens.
        top_logprobs: The most likely tokens at this position.
    """

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] | None = None


class ChoiceLogprobs(Model, kw_only=True):
    """
    Log-probabilities of the tokens of a choice's content and refusal.

    Attributes:
        content: Log-probabilities of the content, one for each token.
        refusal: Log-probabilities of the refusal, one for each token.
    """

    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class CompletionLogprobs(Model, kw_only=True):
    """
    Log-probabilities of a legacy completion: lists with an item for each token.

    Attributes:
        tokens: The tokens' texts.
        token_logprobs: Natural logarithms of the tokens' probabilities.
        top_logprobs: The most likely tokens at each position, with their log-probabilities; None
            for a log-probability that the server sent as -Infinity.
        text_offset: Where each token begins in the text, in characters.
    """

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None
    text_offset: list[int] | None = None


class PromptTokensDetails(Model, kw_only=True):
    """
    Breakdown of the prompt's tokens; None where the server sent no count.

    Attributes:
        cached_tokens: Tokens read from the server's cache.
        audio_tokens: Tokens of audio.
        cache_write_tokens: Tokens written to the server's cache.
        image_tokens: Tokens of images.
        text_tokens: Tokens of text.
    """

    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens: int | None = None
    image_tokens: int | None = None
    text_tokens: int | None = None


class CompletionTokensDetails(Model, kw_only=True):
    """
    Breakdown of the completion's tokens; None where the server sent no count.

    Attributes:
        reasoning_tokens: Tokens of reasoning, whether the server sends the reasoning or not.
        audio_tokens: Tokens of audio.
        accepted_prediction_tokens: Tokens of the predicted output that were used.
        rejected_prediction_tokens: Tokens of the predicted output that weren't used.
        image_tokens: Tokens of images.
        text_tokens: Tokens of text.
    """

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    image_tokens: int | None = None
    text_tokens: int | None = None


class CompletionUsage(Model, kw_only=True):
    """
    Token counts of a request and its answer; None where the server sent no count.

    Attributes:
        prompt_tokens: Tokens of the request.
        completion_tokens: Tokens of the answer.
        total_tokens: The server's total. It can exceed the sum: some servers count more.
        prompt_tokens_details: Breakdown of `prompt_tokens`.
        completion_tokens_details: Breakdown of `completion_tokens`.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None

    def token_counts(self) -> TokenCounts:
        """Return the counts under names that all APIs share."""
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        return TokenCounts(
            input=self.prompt_tokens,
            output=self.completion_tokens,
            cached=None if prompt is None else prompt.cached_tokens,
            reasoning=None if completion is None else completion.reasoning_tokens,
        )


class FunctionDelta(Model, kw_only=True):
    """
    A piece of a function call.

    Attributes:
        name: The function's name, usually on the call's first piece only.
        arguments: The next piece of the arguments' JSON text. A few servers send the object.
    """

    name: str | None = None
    arguments: str | dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The next piece of the arguments' JSON text, or ""."""
        if isinstance(self.arguments, str):
            return self.arguments
        return "" if self.arguments is None else encode_json(self.arguments).decode()


class CustomToolDelta(Model, kw_only=True):
    """
    A piece of a custom tool's call.

    Attributes:
        name: The tool's name, usually on the call's first piece only.
        input: The next piece of the input, which is free text.
    """

    name: str | None = None
    input: str | None = None

    @property
    def text(self) -> str:
        """The next piece of the input, or ""."""
        return self.input or ""


class ToolCallDelta(Model, kw_only=True):
    """
    A piece of a tool call.

    A few servers send the fields of `function` in the call itself. They are moved to `function`.

    Attributes:
        index: The call's position. Some servers send none, -1, or the same for all calls.
        id: The call's id, usually on its first piece only.
        type: "function" or "custom".
        function: A piece of the function call; None for a custom tool.
        custom: A piece of the custom tool's call; None for a function.
    """

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionDelta | None = None
    custom: CustomToolDelta | None = None

    @classmethod
    def adapt(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields as in the schema."""
        if fields.get("function") or fields.get("custom"):
            return fields
        function = {name: fields[name] for name in ("name", "arguments") if name in fields}
        if not function:
            return fields
        rest = {name: value for name, value in fields.items() if name not in function}
        return {**rest, "function": function}


class AudioDelta(Model, kw_only=True):
    """
    A piece of a spoken answer.

    Attributes:
        id: The audio's id.
        data: The next piece of the audio, in base64.
        transcript: The next piece of the transcript.
        expires_at: When the server deletes the audio, in seconds since the epoch.
    """

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class ChoiceDelta(Model, kw_only=True):
    """
    What a chunk adds to the message of a choice.

    Attributes:
        role: The author's role, usually on the first delta only.
        content: The next piece of text; a list of parts on some servers.
        refusal: The next piece of a refusal.
        tool_calls: Pieces of tool calls.
        function_call: A piece of a function call, the form that preceded tool calls.
        audio: A piece of a spoken answer.
        annotations: References of the text, such as citations.
        reasoning_content: The next piece of reasoning, as DeepSeek and others name it; a list of
            parts on some servers.
        reasoning: The next piece of reasoning, as OpenRouter, Groq and others name it; a list of
            parts on some servers. `reasoning_text` has the reasoning under all names.
        reasoning_details: Pieces of structured reasoning, as OpenRouter sends it.
    """

    role: str | None = None
    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: FunctionDelta | None = None
    audio: AudioDelta | None = None
    annotations: list[dict[str, Any]] | None = None
    reasoning_content: str | list[Any] | None = None
    reasoning: str | list[Any] | None = None
    reasoning_details: list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """The next piece of text, also of a content that is a list of parts; or ""."""
        return text_of(self.content)

    @property
    def reasoning_text(self) -> str:
        """The next piece of reasoning under any name, or ""."""
        content, details = self.reasoning_content, self.reasoning_details
        other = other_reasoning(self)
        if content is None and other is None and details is None:
            return ""
        return "".join(reasoning_texts(reasoning_of(content), other or "", details))

    def callees(self) -> Iterator[FunctionDelta | CustomToolDelta]:
        """Yield the pieces of functions and custom tools that are called, in order."""
        for call in self.tool_calls or ():
            if call.function is not None:
                yield call.function
            if call.custom is not None:
                yield call.custom
        if self.function_call is not None:
            yield self.function_call


class ChunkChoice(Model, kw_only=True):
    """
    What a chunk adds to a choice.

    Attributes:
        index: Index of the choice; 0 if the server sent none.
        delta: What is new; empty if the server sent none.
        finish_reason: Why the choice ended; None while it continues.
        logprobs: Log-probabilities of the new tokens, if requested.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"index": int, "delta": ChoiceDelta}

    index: int
    delta: ChoiceDelta
    finish_reason: str | None = None
    logprobs: ChoiceLogprobs | None = None

    @property
    def text(self) -> str:
        """The next piece of text, or ""."""
        return self.delta.text

    def only_text(self) -> str | None:
        """
        Return the text if the choice has text and nothing else, or None.

        This is true of nearly all choices, and allows a fast path for them. For other choices,
        use `pieces()` and the fields.
        """
        delta = self.delta
        content = delta.content
        if (
            isinstance(content, str)
            and delta.role is None
            and delta.refusal is None
            and delta.tool_calls is None
            and delta.function_call is None
            and delta.audio is None
            and delta.annotations is None
            and delta.reasoning_content is None
            and delta.reasoning is None
            and delta.reasoning_details is None
            and self.finish_reason is None
            and self.logprobs is None
            and not (delta.extra or self.extra or self.absent)
        ):
            return content
        return None

    def pieces(self) -> list[Piece]:
        """Return the pieces of generated text in the choice, reasoning first."""
        index, callees = self.index, self.delta.callees()
        pieces = [Piece(kind, text, index) for kind, text in self.texts()]
        return pieces + [Piece("arguments", each.text, index) for each in callees if each.text]

    def has_output(self) -> bool:
        """Return whether the choice brings generated text or a call."""
        return bool(self.pieces()) or any(callee.name for callee in self.delta.callees())

    def texts(self) -> list[tuple[Kind, str]]:
        """Return the texts in the choice that aren't of calls, with their kinds."""
        delta = self.delta
        texts: list[tuple[Kind, str]] = []
        if reasoning := delta.reasoning_text:
            texts.append(("reasoning", reasoning))
        if text := delta.text:
            texts.append(("content", text))
        if delta.refusal:
            texts.append(("refusal", delta.refusal))
        if delta.audio is not None and delta.audio.transcript:
            texts.append(("transcript", delta.audio.transcript))
        return texts


class ChatCompletionChunk(BaseChunk, kw_only=True):
    """
    A chunk of a streamed chat completion.

    Attributes:
        id: The completion's id, usually the same on all its chunks.
        object: "chat.completion.chunk"; many servers differ.
        created: When the completion was created, in seconds since the epoch.
        model: The model that answers.
        choices: The choices that this chunk adds to; empty on a chunk that has only usage.
        usage: Token counts, usually on the last chunk.
        system_fingerprint: The server's configuration.
        service_tier: The tier that processed the request.
        moderation: The server's moderation verdicts on the input and the output.
        obfuscation: Padding that hides the text's length from eavesdroppers.

    Source: OpenAI API reference, "The chat completion chunk object".
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"choices": list}

    id: str | None = None
    object: str | None = None
    created: int | float | None = None
    model: str | None = None
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    moderation: dict[str, Any] | None = None
    obfuscation: str | None = None

    @property
    def text(self) -> str:
        """The new text of choice 0, or ""."""
        return "".join([each.text for each in self.choices if each.index == 0])

    def only_text(self) -> str | None:
        """
        Return the text of a chunk that brings text for one choice and no usage, else None.

        What most chunks of a stream repeat, such as `id` and fields the schema doesn't name, is
        ignored.
        """
        choices = self.choices
        return choices[0].only_text() if len(choices) == 1 and self.usage is None else None

    def pieces(self) -> list[Piece]:
        """Return the pieces of generated text in the chunk, choice by choice."""
        return [piece for choice in self.choices for piece in choice.pieces()]

    def call_names(self) -> list[str]:
        """Return the names of functions and custom tools in the chunk, choice by choice."""
        callees = [callee for choice in self.choices for callee in choice.delta.callees()]
        return [callee.name for callee in callees if callee.name]


class CompletionChunkChoice(Model, kw_only=True):
    """
    What a chunk adds to a choice of a legacy completion. Other fields are those of `ChunkChoice`.

    Attributes:
        index: Index of the choice, counted through all answers to all prompts; 0 if the server
            sent none.
        text: The new text; "" if the server sent none.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"index": int, "text": str}

    index: int
    text: str
    finish_reason: str | None = None
    logprobs: CompletionLogprobs | None = None

    def has_output(self) -> bool:
        """Return whether the choice brings text."""
        return bool(self.text)


class CompletionChunk(BaseChunk, kw_only=True):
    """
    A chunk of a streamed legacy completion. Other fields are those of `ChatCompletionChunk`.

    Attributes:
        object: "text_completion"; some servers differ.

    Source: OpenAI API reference, "The completion object", also the shape of its chunks.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"choices": list}

    id: str | None = None
    object: str | None = None
    created: int | float | None = None
    model: str | None = None
    choices: list[CompletionChunkChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None

    @property
    def text(self) -> str:
        """The new text of choice 0, or ""."""
        return "".join([choice.text for choice in self.choices if choice.index == 0])

    def only_text(self) -> str | None:
        """Return the text of a chunk that brings text for one choice and no usage, else None."""
        if len(self.choices) != 1 or self.usage is not None:
            return None
        choice = self.choices[0]
        others = choice.finish_reason is not None or choice.logprobs is not None
        return None if others or choice.extra or choice.absent else choice.text

    def pieces(self) -> list[Piece]:
        """Return the pieces of generated text in the chunk, choice by choice."""
        return [Piece("content", each.text, each.index) for each in self.choices if each.text]


Chunk = ChatCompletionChunk | CompletionChunk
"""A chunk of a streamed completion: `ChatCompletionChunk` or `CompletionChunk`."""
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    ChunkT = TypeVar("ChunkT", bound=Chunk, default=Chunk)
else:
    from typing import TypeVar

    ChunkT = TypeVar("ChunkT")

CompletionKind = Literal["chat", "completion"]
CHAT: Final = "chat.completion.chunk"
LEGACY: Final = "text_completion"

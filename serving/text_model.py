"""A text encoder that is being served: the way of a text to its vector."""

from collections.abc import Sequence

from features.records import RecordError
from serving.errors import Code, JubakoError
from serving.model import Model, Reader, Result


class TextModel(Model):
    """Puts a prompt before texts and gives their vectors."""

    async def embed(
        self, inputs: Sequence[object], *, deadline: float, prompt: str | None = None, truncate: bool = True
    ) -> Result:
        """Embed texts; `deadline` is a time of `time.monotonic`.

        An input that is not a string, or is too long while `truncate` is false, is answered by its own error.

        Raises:
            JubakoError: `overloaded`, `deadline`, or `invalid_value` for an unknown prompt.
        """
        return await self.run(inputs, _after(self.prefix(prompt)), deadline=deadline, truncate=truncate)

    def prefix(self, prompt: str | None = None) -> str:
        """Return the text of a prompt, of the default one without a name.

        Raises:
            JubakoError: `invalid_value`, naming the prompts there are.
        """
        chosen = prompt if prompt is not None else self.manifest.default_prompt
        if chosen is None:
            return ""
        if chosen not in self.manifest.prompts:
            known = ", ".join(sorted(self.manifest.prompts)) or "none"
            raise JubakoError(Code.INVALID_VALUE, f"unknown prompt {chosen!r}; this model has: {known}", param="prompt")
        return self.manifest.prompts[chosen]


def _after(prefix: str) -> Reader:
    def read(value: object) -> str:
        if not isinstance(value, str):
            raise RecordError(None, "an input must be a string")
        return prefix + value

    return read

"""How large a function's result may be: it goes on to the journal, the client, the reply and later turns' history."""

from pydantic_core import to_json

from agent.messages import Error, Lang, Result
from agent.replies import texts


def fitting(result: Result, largest: int, lang: Lang) -> Result:
    """The result, or an error in its place where what it says is too large.

    Args:
        result: as its function gave it.
        largest: bytes of its data, summary and error together.
        lang: language to tell the user in.

    Raises:
        PydanticSerializationError: its data is no JSON.
    """
    size = len(to_json(result.data)) + len(to_json(result.summary)) + len(to_json(result.error))
    if size <= largest:
        return result
    said = texts.result_too_large(lang, result.function, size, largest)
    return result.model_copy(
        update={"status": "error", "data": {}, "summary": "", "error": Error(code="too_large", message=said)}
    )

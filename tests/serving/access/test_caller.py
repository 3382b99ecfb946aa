import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access.caller import ANYONE, CALLER, NOBODY, Caller, at_own_cost, named, permitted, usable
from serving.access.records import Endpoint
from serving.errors import Code, JubakoError

MODELS = {"text": 1, "books": 2, "books-old": 3}
READER = Caller("id", "reader", frozenset({Endpoint.EMBED, Endpoint.MODELS}), ("text", "books-*"))


def as_caller(caller: Caller) -> None:
    CALLER.set(caller)  # pytest runs each test in a context of its own when it is a coroutine


async def test_anyone_may_use_everything() -> None:
    assert usable(MODELS) is MODELS
    assert permitted(MODELS, "bookz", Endpoint.CLASSIFY) is MODELS


async def test_a_caller_sees_the_models_of_their_patterns() -> None:
    as_caller(READER)
    assert usable(MODELS) == {"text": 1, "books-old": 3}
    assert permitted(MODELS, None, Endpoint.EMBED) == {"text": 1, "books-old": 3}
    assert permitted(MODELS, "text:2", Endpoint.EMBED) == {"text": 1, "books-old": 3}


@pytest.mark.parametrize("name", ["books", "books:1", "books:text", "bookz", "../text", "text\r\n", ""])
async def test_whether_a_model_that_may_not_be_used_exists_is_not_told(name: str) -> None:
    as_caller(READER)
    with pytest.raises(JubakoError) as caught:
        named(MODELS, name)
    assert caught.value.code is Code.FORBIDDEN
    assert caught.value.message == f"'reader' may not use model {name!r}; it may use: text, books-*"


async def test_an_endpoint_that_is_not_theirs_is_forbidden() -> None:
    as_caller(READER)
    with pytest.raises(JubakoError, match="'reader' is not for classify; it is for embed, models"):
        permitted(MODELS, "text", Endpoint.CLASSIFY)


async def test_where_none_of_the_able_models_may_be_used_that_is_told() -> None:
    as_caller(READER)
    with pytest.raises(JubakoError, match="any model that can do this"):
        permitted({"books": 2}, None, Endpoint.EMBED)
    assert permitted({}, None, Endpoint.EMBED) == {}


async def test_nobody_sees_no_model() -> None:
    as_caller(NOBODY)
    assert usable(MODELS) == {}


async def test_what_the_server_does_for_itself_is_anyone_s() -> None:
    as_caller(READER)
    with at_own_cost():
        assert CALLER.get() is ANYONE
    assert CALLER.get() is READER


async def test_tasks_of_a_request_have_its_caller_and_others_do_not() -> None:
    async def caller() -> Caller:
        return CALLER.get()

    async def request(of: Caller) -> Caller:
        CALLER.set(of)
        return await asyncio.create_task(caller())

    assert await asyncio.gather(request(READER), request(NOBODY), caller()) == [READER, NOBODY, ANYONE]  # type: ignore[comparison-overlap]


@given(st.text())
def test_a_name_never_acts_as_a_pattern(name: str) -> None:
    assert Caller("", "", (), ("text",)).may_use(name) == (name == "text")

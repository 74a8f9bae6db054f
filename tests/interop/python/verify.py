"""Verifies tokens with livekit-api; see ../README.md."""

import dataclasses
import json
import sys

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from livekit.api import TokenVerifier


def plain(value):
    """A dataclass as JSON; what the token left unset is null there."""
    if isinstance(value, Message):
        return MessageToDict(value)
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def answer(line):
    request = json.loads(line)
    try:
        return {"claims": plain(TokenVerifier(request["key"], request["secret"]).verify(request["token"]))}
    except Exception as error:  # whatever it refuses with is the answer
        return {"error": repr(error)}


for line in sys.stdin:
    print(json.dumps(answer(line)), flush=True)

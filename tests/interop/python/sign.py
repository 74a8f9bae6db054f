"""Signs with livekit-api as a service does that has a key of its own; see ../README.md."""

import datetime
import json
import sys

from livekit.api import AccessToken, VideoGrants

key = json.loads(sys.stdin.readline())
for _ in sys.stdin:
    token = AccessToken(key["key"], key["secret"]).with_identity("bob").with_ttl(datetime.timedelta(seconds=3))
    print(token.with_grants(VideoGrants(room_join=True, room="demo")).to_jwt(), flush=True)

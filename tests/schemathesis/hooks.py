"""What schemathesis checks beside its own: nothing here provokes a 503."""

import schemathesis


@schemathesis.check
def never_unavailable(ctx, response, case):
    assert response.status_code != 503, response.text


@schemathesis.hook
def filter_case(context, case):
    """A bad request within a batch has a problem of its own, and spoils nothing: the whole is no bad request."""
    negative = case.meta is not None and case.meta.generation.mode.is_negative
    return not (negative and case.path == "/v1/tokens/batch")

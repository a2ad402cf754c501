"""An operator, known by an access token."""

from codara.errors import InvalidApiKey

OPERATOR_TOKEN = "operator.access.token"


class FakeOperators:
    async def verify(self, access_token: str) -> str:
        if access_token != OPERATOR_TOKEN:
            raise InvalidApiKey("That is no access token.")
        return "op_1"

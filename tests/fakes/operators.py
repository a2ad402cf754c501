"""An operator, known by an access token."""

from codara.application.tokens import ForeignToken

OPERATOR_TOKEN = "operator.access.token"


class FakeOperators:
    async def verify(self, access_token: str) -> str:
        if access_token != OPERATOR_TOKEN:
            raise ForeignToken("That is no access token.")
        return "op_1"

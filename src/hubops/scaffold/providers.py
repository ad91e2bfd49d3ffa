"""Ways to log in: what each takes in a hub's values, and what is entered where the provider asks for it.

The names of traits are those of JupyterHub's authenticators (OAuthenticator 17, NativeAuthenticator 1, LTI
Authenticator 1.6).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubops.desired.model import Values


@dataclass(frozen=True)
class Answer:
    """One thing that a provider's people or a hub's operator decide; `listed` takes several, with commas."""

    question: str
    required: bool = False
    listed: bool = False


@dataclass(frozen=True)
class Provider:
    """A way to log in.

    `answers` are by trait of `section`; `fixed` holds for every hub; `with_answer` are traits that go with
    an answer. `form` says what to enter where: {home}, {callback} and {origin} stand in it. `secrets` are
    the traits of `section` that go into the hub's secrets.
    """

    authenticator: str
    section: str
    form: str
    answers: Mapping[str, Answer] = field(default_factory=dict)
    fixed: Values = field(default_factory=dict)
    with_answer: Mapping[str, Values] = field(default_factory=dict)
    secrets: tuple[str, ...] = ("client_id", "client_secret")
    callback: str = "hub/oauth_callback"


_CLIENT_ID = Answer("Client id (empty: it goes into the hub's secrets, with the client secret)")

PROVIDERS = {
    "github": Provider(
        "github",
        "GitHubOAuthenticator",
        """\
In the settings of the organization that owns the hub: Developer settings, OAuth Apps, New OAuth App.
  Application name            what people see when they log in
  Homepage URL                {home}
  Authorization callback URL  {callback}
It takes one callback, so each hub has an OAuth App of its own. Then: Generate a new client secret; it is shown once.""",
        {
            "client_id": _CLIENT_ID,
            "allowed_organizations": Answer(
                "Organizations, or organization:team, whose members may come (empty: people.yaml alone)",
                listed=True,
            ),
        },
        with_answer={"allowed_organizations": {"scope": ["read:org"]}},
    ),
    "gitlab": Provider(
        "gitlab",
        "GitLabOAuthenticator",
        """\
In the group that owns the hub, or in Preferences: Applications, Add new application.
  Name          what people see when they log in
  Redirect URI  {callback}
  Confidential  yes
  Scopes        read_api when groups are named, else read_user
It shows the application id, which is the client id, and the secret.""",
        {
            "client_id": _CLIENT_ID,
            "gitlab_url": Answer("Address of the GitLab (empty: https://gitlab.com)"),
            "allowed_gitlab_groups": Answer(
                "Groups whose members may come (empty: people.yaml alone)", listed=True
            ),
        },
        {"scope": ["read_user"]},
        {"allowed_gitlab_groups": {"scope": ["read_api"]}},
    ),
    "google": Provider(
        "google",
        "GoogleOAuthenticator",
        """\
In the Google Cloud console: APIs & Services, Credentials, Create credentials, OAuth client ID.
  Application type               Web application
  Authorized JavaScript origins  {origin}
  Authorized redirect URIs       {callback}
It shows client id and client secret.""",
        {
            "client_id": _CLIENT_ID,
            "hosted_domain": Answer(
                "Domains whose people may all come (empty: people.yaml alone)", listed=True
            ),
        },
        with_answer={"hosted_domain": {"allow_all": True}},
    ),
    "oidc": Provider(
        "generic-oauth",
        "GenericOAuthenticator",
        """\
At the provider (Keycloak, Entra ID, ...): a client with the authorization code flow, confidential.
  Home URL      {home}
  Redirect URI  {callback}
It shows client id and client secret.""",
        {
            "client_id": _CLIENT_ID,
            "authorize_url": Answer(
                "authorization_endpoint of /.well-known/openid-configuration", required=True
            ),
            "token_url": Answer("token_endpoint", required=True),
            "userdata_url": Answer("userinfo_endpoint", required=True),
            "username_claim": Answer("Claim that is a person's name (empty: preferred_username)"),
            "login_service": Answer("What the login button says (empty: OAuth 2.0)"),
        },
        {"scope": ["openid", "profile", "email"], "username_claim": "preferred_username"},
    ),
    "lti": Provider(
        "ltiauthenticator.lti13.auth.LTI13Authenticator",
        "LTI13Authenticator",
        """\
In the learning platform: an external tool of LTI 1.3.
  Tool or target link URL  {home}
  Login initiation URL     {home}hub/lti13/oauth_login
  Redirect URI             {callback}
It shows the client id; there is no client secret, for the platform signs.""",
        {
            "issuer": Answer("Issuer (platform id)", required=True),
            "authorize_url": Answer("Authentication request URL", required=True),
            "jwks_endpoint": Answer("Public keyset URL", required=True),
            "username_key": Answer("Claim that is a person's name (empty: email)"),
        },
        # The platform decides who is in the course.
        {"username_key": "email", "uri_scheme": "https", "allow_all": True},
        secrets=("client_id",),
        callback="hub/lti13/oauth_callback",
    ),
    "native": Provider(
        "native",
        "NativeAuthenticator",
        """\
People sign up at {home}hub/signup; an admin lets them in at {home}hub/authorize. Whoever signs up with a name
that is in people.yaml needs no admission: sign up those of the admins at once.""",
        # Not everybody: the admission stays, open_signup would take it away.
        fixed={"minimum_password_length": 12, "check_common_password": True, "allow_all": True},
        secrets=(),
        callback="",
    ),
}

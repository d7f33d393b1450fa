"""Credentials in a text: those that can be told by their form."""

from __future__ import annotations

import re

from loopin_text.pii.kinds import MARKS

_KNOWN = (
    r"eyJ[\w\-]{8,}+(?:\.[\w\-]*+){1,4}+",  # JSON Web Tokens (RFC 7519)
    r"gh[opusr]_[A-Za-z0-9]{20,}+",  # GitHub
    r"github_pat_\w{20,}+",
    r"gl(?:pat|ptt|dt|rt|soat)-[\w\-]{16,}+",  # GitLab
    r"xox[a-z]-[\w\-]{10,}+",  # Slack
    r"xapp-[\w\-]{10,}+",
    r"(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,}+",  # Stripe
    r"whsec_[A-Za-z0-9]{10,}+",
    r"rzp_(?:live|test)_[A-Za-z0-9]{10,}+",  # Razorpay
    r"(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)",  # Amazon
    r"AIza[\w\-]{30,}+",  # Google
    r"ya29\.[\w\-]{20,}+",
    r"GOCSPX-[\w\-]{20,}+",
    r"sk-[\w\-]{20,}+",  # OpenAI, Anthropic
    r"SG\.[\w\-]{16,}+\.[\w\-]{16,}+",  # SendGrid
    r"npm_[A-Za-z0-9]{30,}+",
    r"pypi-[\w\-]{16,}+",
    r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32,}+",  # Shopify
    r"do[opr]_v1_[a-f0-9]{32,}+",  # DigitalOcean
    r"hf_[A-Za-z0-9]{30,}+",  # Hugging Face
    r"ph[xcs]_[A-Za-z0-9]{30,}+",  # PostHog
    r"lp_[pw]_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}(?![0-9A-Za-z])",  # our own
    r"[MNO][A-Za-z0-9]{23,27}\.[\w\-]{6}\.[\w\-]{27,38}(?![\w\-])",  # Discord's bots
)
_SHORTEST = 15
_TOKEN = re.compile(rf"(?<![\w\-])(?:{'|'.join(_KNOWN)})", re.ASCII)
_BOT = re.compile(r"(?<![0-9])[0-9]{8,10}:AA[\w\-]{33}(?![\w\-])", re.ASCII)
"""Telegram's bots: in their addresses ``bot`` stands right before it."""
_WEBHOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/"
    r"|\.webhook\.office\.com/webhookb2/)[^\s\"'<>?#&\[]++",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(bearer|basic|token)( {1,4}+)([\w.~+/\-]{16,}+=*+)", re.IGNORECASE | re.ASCII)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}-----|\Z)")
_USER_INFO = re.compile(r"(?<=://)[^/?#\s@:\"'<>]{0,128}:[^/?#\s@\"'<>]{0,256}@")


def scrub_tokens(text: str) -> str:
    """The text with ``[token]`` in place of keys, bearer tokens and passwords of addresses."""
    if len(text) >= _SHORTEST:
        text = _TOKEN.sub(MARKS["token"], text)
        if ":AA" in text:
            text = _BOT.sub(MARKS["token"], text)
        if "hook" in text:
            text = _WEBHOOK.sub(rf"\1{MARKS['token']}", text)
        if " " in text and _names_a_scheme(text.lower()):
            text = _SCHEME.sub(_mark_scheme, text)
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(MARKS["token"], text)
    if "://" in text and "@" in text:
        text = _USER_INFO.sub(f"{MARKS['token']}@", text)
    return text


def _names_a_scheme(lower: str) -> bool:
    """Whether the expression could find one; it takes several times longer to say no."""
    return "bearer " in lower or "basic " in lower or "token " in lower


def looks_secret(text: str) -> bool:
    """Whether a word is more likely a key than a word of a language: it has a digit, or capitals inside."""
    return any(letter.isdigit() for letter in text) or (
        any(letter.isupper() for letter in text[1:]) and any(letter.islower() for letter in text)
    )


def _mark_scheme(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{MARKS['token']}" if looks_secret(found[3]) else found[0]

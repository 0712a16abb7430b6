"""Mail: the message as plain text and HTML, by SMTP (RFC 5321, RFC 5322)."""

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from functools import partial
from html import escape
from typing import Final

import trio

from kubekuma.deliver.look import colour, links, sign
from kubekuma.deliver.request import Secret
from kubekuma.deliver.send import NotSent, Taken, untrusted
from kubekuma.model.alert import Message
from kubekuma.model.provider import SmtpConfig, SmtpSecurity

SECONDS: Final = 15.0
# Threads of smtplib, apart from everybody else's: a server may be slow.
THREADS: Final = 10
_HOST: Final = "kubekuma"


def mail_of(config: SmtpConfig, message: Message, now: datetime) -> EmailMessage:
    """The mail that tells ``message``; beginning and end of an outage are one thread."""
    mail = EmailMessage()
    mail["From"] = formataddr(("KubeKuma", config.sender))
    mail["To"] = ", ".join(config.to)
    if config.cc:
        mail["Cc"] = ", ".join(config.cc)
    # A name may have lines; a header has one.
    mail["Subject"] = " ".join(f"{sign(message)} {message.title}".split())
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message.id}@{_HOST}>"
    mail["References"] = f"<{message.key}@{_HOST}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(filter(None, (message.text, links(message, "{name}: {url}")))))
    mail.add_alternative(_html(message), subtype="html")
    return mail


async def send_mail(
    config: SmtpConfig,
    message: Message,
    secret: Secret,
    now: datetime,
    limiter: trio.CapacityLimiter,
) -> Taken:
    """Hand the mail to the server. Raises NotSent, SecretMissing."""
    login = None
    if config.username_secret_ref is not None and config.password_secret_ref is not None:
        login = secret(config.username_secret_ref), secret(config.password_secret_ref)
    hand_over = partial(_hand_over, config, mail_of(config, message, now), login)
    await trio.to_thread.run_sync(hand_over, limiter=limiter, abandon_on_cancel=True)
    return Taken(said="the mail server takes it")


def _hand_over(config: SmtpConfig, mail: EmailMessage, login: tuple[str, str] | None) -> None:
    context = ssl.create_default_context()
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        with _connected(config, context) as server:
            if config.security is SmtpSecurity.STARTTLS:
                server.starttls(context=context)
            if login is not None:
                server.login(*login)
            refused = server.send_message(mail, to_addrs=[*config.to, *config.cc])
    except smtplib.SMTPAuthenticationError as error:
        raise NotSent(said="it does not let us in") from error
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        raise NotSent(said="it takes none of the addresses", lasting=min(codes) >= 500) from error
    except smtplib.SMTPResponseException as error:
        # What it says may quote the mail, and never the login.
        said = error.smtp_error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        said_so = f"it says {error.smtp_code} {' '.join(text.split())[:200]}"
        raise NotSent(said=said_so, lasting=error.smtp_code >= 500) from error
    except ssl.SSLCertVerificationError as error:
        raise NotSent(said=f"its certificate: {untrusted(error)}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(said=f"it could not be reached ({type(error).__name__})") from error
    if refused:
        raise NotSent(said=f"it does not take {', '.join(sorted(refused))}", lasting=True)


def _connected(config: SmtpConfig, context: ssl.SSLContext) -> smtplib.SMTP:
    if config.security is SmtpSecurity.TLS:
        return smtplib.SMTP_SSL(config.host, config.port, timeout=SECONDS, context=context)
    return smtplib.SMTP(config.host, config.port, timeout=SECONDS)


def _html(message: Message) -> str:
    lines = "<br>".join(escape(line) for line in message.text.split("\n"))
    linked = links(message, '<a href="{url}">{name}</a>', escape)
    return (
        f'<div style="border-left:4px solid {colour(message)};padding-left:12px">'
        f"<p><strong>{escape(message.title)}</strong></p><p>{lines}</p><p>{linked}</p></div>"
    )

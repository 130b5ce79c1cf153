"""What is taken out of a server's words, in whichever way a secret is written, and what is left of them."""

import base64
import html
import json
import re
import threading
import time
from urllib.parse import quote, quote_plus

import pytest

from mkframe._http.auth import basic_credentials
from mkframe._http.redaction import Redacting, redact
from mkframe.errors import InvalidResponseError, LibraryError, MkframeError, warn
from mkframe.settings import Secret, Settings
from tests.trust.canaries import EMAIL, PASSWORD, TOKEN, remnants

JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"501","exp":1775124880}', bytes(range(90, 122)))
)
PHRASE = "Grün:wie/der+Wald&7Zwerge im Märchen"
WORDS = {"token": TOKEN, "JSON Web Token": JWT, "password": PASSWORD, "phrase": PHRASE}


def code(word, before=b"", how=base64.b64encode):
    return how(before + word.encode()).decode()


def pieces(word, size, between):
    return between.join(word[i : i + size] for i in range(0, len(word), size))


WRITTEN = {
    "plain": lambda word: word,
    "lower case": str.lower,
    "upper case": str.upper,
    "other case": str.swapcase,
    "first half": lambda word: word[: len(word) // 2],
    "second half": lambda word: word[len(word) // 2 :],
    "last dozen": lambda word: word[-12:],
    "first nine": lambda word: word[:9],
    "ten in the middle": lambda word: word[3:13],
    "last part": lambda word: word.rpartition(".")[2],
    "backwards": lambda word: word[::-1],
    "base64": code,
    "base64, one before": lambda word: code(word, b":"),
    "base64, two before": lambda word: code(word, b"a:"),
    "base64 for URLs": lambda word: code(word, how=base64.urlsafe_b64encode),
    "base64 of a half": lambda word: code(word[len(word) // 2 :]),
    "base64 of JSON": lambda word: code(json.dumps({"password": word})),
    "base64 in lines": lambda word: pieces(code(word), 10, "\r\n "),
    "hexadecimal": lambda word: word.encode().hex(),
    "hexadecimal in pairs": lambda word: word.encode().hex(":").upper(),
    "JSON": json.dumps,
    "JSON in JSON": lambda word: json.dumps(json.dumps(word)),
    "repr of JSON": lambda word: repr(json.dumps(word)),
    "code points": lambda word: "".join(f"\\u{ord(c):04x}" for c in word),
    "HTML": html.escape,
    "HTML in JSON": lambda word: json.dumps(html.escape(word)),
    "HTML by numbers": lambda word: "".join(f"&#{ord(c)};" for c in word),
    "HTML by hexadecimal numbers": lambda word: "".join(f"&#x{ord(c):X};" for c in word),
    "URL": lambda word: quote(word, safe=""),
    "form": quote_plus,
    "URL in a URL": lambda word: quote(quote(word, safe=""), safe=""),
    "URL, all of it": lambda word: "".join(f"%{b:02x}" for b in word.encode()),
    "bytes of Python": lambda word: repr(word.encode()),
    "Latin-1": lambda word: word.encode().decode("latin-1"),
    "lines": lambda word: pieces(word, 7, "\n"),
    "lines as escapes": lambda word: repr(pieces(word, 5, "\r\n\t")),
    "blanks": lambda word: pieces(word, 1, " "),
    "hyphens": lambda word: pieces(word, 4, "-"),
    "words of a list": lambda word: json.dumps([word[i : i + 6] for i in range(0, len(word), 6)]),
    "nothing to see between": lambda word: pieces(word, 3, "\u200b\u00ad"),
    "spelled out between": lambda word: pieces(word, 3, "‹U+200B›"),
    "zeros between": lambda word: pieces(word, 1, "\0"),
    "wide letters": lambda word: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word),
}  # fmt: skip


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_secret_in_any_form_is_redacted(write, word):
    shown = redact(f"The words were: {write(word)} (that was it).", [Secret(word)])
    assert "***" in shown
    assert shown.startswith("The words were: ")
    assert shown.endswith("that was it).")
    assert remnants(shown, {"word": word}) == []
    assert write(word) not in shown


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_part_of_secret_leaves_no_eight_characters(word):
    for start in range(0, len(word) - 12, 7):
        shown = redact(f"said {word[start : start + 12]}.", [Secret(word)])
        assert remnants(shown, {"word": word}) == []


@pytest.mark.parametrize("most", [60, 80, 300])
@pytest.mark.parametrize("word", [TOKEN, PASSWORD])
def test_secret_at_the_cut_is_redacted(word, most):
    for place in range(most - len(word) - 5, most + 1):
        shown = redact("." * place + word + " and more", [Secret(word)], most)
        whole = "." * place + "*** and more"
        assert shown == (whole if place < most else "." * place)[: len(shown)]
        assert len(shown) > place or place == most


@pytest.mark.parametrize("end", ["...", "…", "'", '"', ""])
@pytest.mark.parametrize("many", range(4, 12))
def test_start_of_secret_at_a_cut_is_redacted(many, end):
    assert redact(f"said 'x {TOKEN[:many]}{end}", [Secret(TOKEN)]) == f"said 'x ***{end}"


def test_secret_repeated_is_redacted_twice():
    assert redact(f"{TOKEN} and {TOKEN}.", [Secret(TOKEN)]) == "*** and ***."


def test_word_around_a_secret_is_redacted():
    assert redact(f"a x{TOKEN}_old b", [Secret(TOKEN)]) == "a *** b"


def test_secret_with_a_changed_letter_is_redacted():
    middle = len(TOKEN) // 2
    shown = redact(f"said {TOKEN[:middle]}X{TOKEN[middle + 1 :]} once", [Secret(TOKEN)])
    assert shown == "said *** once"


def test_password_in_basic_credentials_is_redacted():
    settings = Settings("https://client.example/api/v1", email=EMAIL, password=Secret("abcd"))
    sent = base64.b64encode(f"{EMAIL}:abcd".encode()).decode()
    assert redact(f"Basic {sent} was wrong", [basic_credentials(settings)]).rstrip() in (
        "Basic ***= was wrong",
        "Basic *** was wrong",
    )


# --- what stays readable ------------------------------------------------------------------------------

SENTENCE = "No builds of the project Production_2 were found; the latest release needs a password."
READABLE = {
    "builds": "No *** of the project Production_2 were found; the latest release needs a password.",
    "test": SENTENCE,
    "build": SENTENCE,
    "product": SENTENCE,
    "Production": "No builds of the project *** were found; the latest release needs a password.",
    "password1": "No builds of the project Production_2 were found; the latest release needs a ***.",
    "Passw0rd!": SENTENCE,
    "abc": SENTENCE,
    "": SENTENCE,
    "    ": SENTENCE,
    "correct horse battery staple": SENTENCE,
    JWT: SENTENCE,
    TOKEN: SENTENCE,
}


@pytest.mark.parametrize("word", READABLE)
def test_ordinary_password_redacts_itself_only(word):
    assert redact(SENTENCE, [Secret(word)]) == READABLE[word]


@pytest.mark.parametrize("word", ["test", "Test!", "a1b2", "päss", "?!?!", "x y z"])
def test_short_secret_as_a_word_is_redacted(word):
    for quoted in (word, word.upper(), f"'{word}'", quote(word), json.dumps(word), f"user:{word}@host"):
        shown = redact(f"The word {quoted} was wrong, contest lost.", [Secret(word)])
        assert "***" in shown
        assert word.lower() not in shown.lower().replace("contest", "")
        assert "contest lost" in shown


@pytest.mark.parametrize(
    "word", ["!!!???###$$$%%%", "........", "a.b.c.d.e.f.g.h", "\U0001f600" * 4, "\ud800secret"]
)
def test_odd_secret_is_redacted(word):
    assert word not in redact(f"The word {word} was wrong.", [Secret(word)])
    assert redact("Nothing of the kind here.", [Secret(word)]) == "Nothing of the kind here."


# --- time ---------------------------------------------------------------------------------------------

HOSTILE = {
    "beginnings": TOKEN[:8] + "'",
    "seven of eight": TOKEN[:7] + " ",
    "the secret": TOKEN,
    "quotes": "'",
    "backslashes": "\\",
    "ampersands": "&",
    "entities": "&#x26;",
    "long entities": "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "percent": "%25",
    "percent signs": "%",
    "blanks": " ",
    "letters": "a",
    "spelled": "‹U+200B›",
    "accents": "\u0301",
}


@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE)
def test_redaction_of_megabytes_is_fast(part):
    text = part * (4_000_000 // len(part))
    began = time.process_time()
    shown = redact(text, [Secret(TOKEN), Secret(JWT), Secret(PASSWORD)])
    assert time.process_time() - began < 3
    assert len(shown) < 70_000
    assert shown.endswith("...")


def test_redaction_time_grows_linearly():
    def seconds(many):
        began = time.process_time()
        redact((TOKEN[:8] + "'") * many, [Secret(TOKEN)])
        return time.process_time() - began

    seconds(100)
    assert seconds(7000) < 40 * max(seconds(700), 0.005)


# --- errors that leave a block ------------------------------------------------------------------------


def raised(act):
    with pytest.raises(MkframeError) as caught, Redacting(lambda: [Secret(TOKEN)]):
        act()
    return caught.value


def test_library_error_is_replaced_by_its_text():
    def act():
        try:
            json.loads(f'{{"a": "{TOKEN}')
        except ValueError as error:
            error.add_note(TOKEN)
            raise InvalidResponseError(f"It holds {TOKEN!r}.") from error

    error = raised(act)
    assert str(error) == "It holds '***'."
    assert type(error.__cause__) is LibraryError
    assert error.__context__ is error.__cause__
    assert str(error.__cause__).startswith("json.decoder.JSONDecodeError: Unterminated string")
    assert vars(error.__cause__) == {}


@pytest.mark.parametrize(
    "inner", [ValueError(f"\x1b[31m{TOKEN}"), KeyError(TOKEN), OSError(5, TOKEN), Exception()]
)
def test_library_text_is_one_clean_line(inner):
    def act():
        raise InvalidResponseError("No.") from inner

    shown = str(raised(act).__cause__)
    assert type(inner).__name__ in shown
    assert shown.isprintable()
    assert remnants(shown, {"token": TOKEN}) == []


def test_notes_and_causes_are_redacted():
    def act():
        inner = InvalidResponseError(f"inner {TOKEN}")
        inner.__cause__ = ValueError(TOKEN)
        error = InvalidResponseError("outer", vendor_message=f"x {TOKEN}")
        error.add_note(f"note {TOKEN}")
        raise error from inner

    error = raised(act)
    assert (error.vendor_message, error.__notes__) == ("x ***", ["note ***"])
    assert str(error.__cause__) == "inner ***"
    assert str(error.__cause__.__cause__) == "ValueError: ***"


def test_request_and_hint_are_not_redacted():
    def act():
        request = f"GET https://client.example/{TOKEN}"
        raise InvalidResponseError(f"{request} said {TOKEN}.", hint=f"Look at {TOKEN}.", request=request)

    error = raised(act)
    assert error.message == f"GET https://client.example/{TOKEN} said ***."
    assert error.hint == f"Look at {TOKEN}."


def test_error_handled_by_the_caller_is_unchanged():
    own = ValueError(TOKEN)

    def act():
        raise InvalidResponseError("No.")

    try:
        raise own
    except ValueError:
        error = raised(act)
    assert error.__context__ is own
    assert own.args == (TOKEN,)
    assert own.__traceback__ is not None


def test_warning_in_the_block_is_redacted():
    with pytest.warns(UserWarning, match=r"^said \*\*\*$"), Redacting(lambda: [Secret(TOKEN)]):
        warn(f"said {TOKEN}")


def test_warning_after_the_block_is_unchanged():
    with Redacting(lambda: [Secret(TOKEN)]):
        pass
    with pytest.warns(UserWarning, match=TOKEN):
        warn(f"said {TOKEN}")


def test_blocks_that_overlap_redact_their_own_secrets():
    first, second = Redacting(lambda: [Secret(TOKEN)]), Redacting(lambda: [Secret(PASSWORD)])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with pytest.warns(UserWarning, match=rf"said {TOKEN} and \*\*\*$"):
        warn(f"said {TOKEN} and {PASSWORD}")
    second.__exit__(None, None, None)
    with pytest.warns(UserWarning, match=re.escape(PASSWORD)):
        warn(f"said {PASSWORD}")


def test_read_that_another_thread_collects_redacts_nothing_more():
    def read(secret):
        with Redacting(lambda: [Secret(secret)]):
            yield

    left_open = [read(TOKEN)]
    next(left_open[0])
    with Redacting(lambda: [Secret(PASSWORD)]):
        thread = threading.Thread(target=left_open.clear)
        thread.start()
        thread.join()
        with pytest.warns(UserWarning, match=rf"said {TOKEN} and \*\*\*$"):
            warn(f"said {TOKEN} and {PASSWORD}")

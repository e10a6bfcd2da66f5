"""A session of psql, statements with the answers that the model expects, and how the two are compared."""
import json
import subprocess
import sys
import tempfile
from decimal import Decimal

from payload import CURRENCIES, INFINITY, Moment, Operation
from rules import Transfer

def is_json(text):
    """As the type json has it, whatever else may be wrong with it before."""

    def refuse(constant):
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int)):
        return str(value).lower()
    return "'" + str(value).replace("'", "''") + "'"


def array(values, kind="text"):
    return f"ARRAY[{','.join(map(literal, values))}]::{kind}[]"


def decimal_text(units, currency):
    """Minor units as numeric shows them."""
    digits = CURRENCIES[currency]
    return None if units is None else f"{Decimal(units).scaleb(-digits):.{digits}f}"


def json_text(units, currency):
    """Minor units as JSON shows them."""
    whole, _, decimals = f"{Decimal(units).scaleb(-CURRENCIES[currency]):f}".partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"


def micros(expression):
    """SQL that shows a time as the microseconds that payload.py counts."""
    return f"(extract(epoch FROM {expression}) * 1000000)::numeric"


def read_micros(text):
    return INFINITY if text == "Infinity" else int(Decimal(text))


class Psql:
    """One session, kept open. Statements fail one by one, also within a transaction."""

    def __init__(self, database):
        command = ["psql", "-XqAt", "-P", "null=~", "-v", "ON_ERROR_ROLLBACK=on", "-v", "VERBOSITY=verbose", "-d", database]
        # pylint: disable=consider-using-with
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.script = tempfile.NamedTemporaryFile("w", suffix=".sql")

    def run(self, statements):
        """[(rows, SQLSTATE)] of the statements."""
        self.script.seek(0)
        self.script.truncate()
        for statement in statements:
            self.script.write(statement + ";\n\\echo = :SQLSTATE\n")
        self.script.flush()
        self.process.stdin.write(f"\\i {self.script.name}\n\\echo done\n")
        self.process.stdin.flush()
        answers = []
        for _ in statements:
            rows = []
            while not (line := self.process.stdout.readline().rstrip("\n")).startswith("= "):
                if self.process.poll() is not None:
                    sys.exit("psql has ended: " + self.said())
                rows.append([None if field == "~" else field for field in line.split("|")])
            answers.append((rows, line[2:]))
        self.process.stdout.readline()  # psql has left the script, which is written anew next time
        return answers

    def value(self, statement):
        ((rows, state),) = self.run([statement])
        if state != "00000":
            sys.exit(f"{statement}: {state}\n{self.said()}")
        return rows[0][0]

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode()[-2000:]


class Step:
    """A statement and what it must answer: rows whose fields may be model objects, or a code. About says what each row
    answers to, where the statement does not show that well."""

    def __init__(self, statement, rows=None, code="processed", about=()):
        self.statement, self.rows, self.code, self.about = statement, rows, code, about


# What is shown of a row of the journal, as transfer_info, operation_info and the table have it; see row_of().
PLAIN_ROW = "transfer_id, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance"
ROW = ("kind, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance, coalesce(held, 0), link_id, "
       f"{micros('expires_at')}, max_capture, coalesce(overdraw, false)")


class Held:
    """An amount that may be one of two: a due hold has been released, or not yet."""

    def __init__(self, units, currency):
        self.texts = {decimal_text(each, currency) for each in units} | ({"0"} if 0 in units else set())


def row_of(transfer):
    amounts = [decimal_text(units, transfer.currency) for units in (transfer.amount, transfer.source_balance, transfer.destination_balance)]
    return [transfer.kind, transfer.source_id, transfer.destination_id, *amounts, Held(transfer.held, transfer.currency), transfer.link,
            transfer.expires, decimal_text(transfer.max_capture, transfer.currency), "t" if transfer.overdraw else "f"]


def is_same_moment(moment, got):
    return got is not None and moment.at <= read_micros(got) <= moment.last


def shown(field):
    if isinstance(field, Operation):
        return field.handshake
    if isinstance(field, Held):
        return " or ".join(sorted(field.texts))
    if isinstance(field, Moment):
        return f"{field.at}{'...' if field.fuzzy else ''}"
    field = field.id if isinstance(field, Transfer) else field
    return None if field is None else str(field)


def is_same(field, got, handshakes):
    """An id or a handshake that the model cannot know is learnt, and is the same ever after."""
    if isinstance(field, Operation):
        if field.handshake is None:
            field.handshake = got
            return handshakes.setdefault(got, field) is field
        return got == field.handshake
    if isinstance(field, Transfer):
        if field.id is None:
            field.id = int(got)
        return got == str(field.id)
    if isinstance(field, Held):
        return got in field.texts
    if isinstance(field, Moment):
        return is_same_moment(field, got)
    return got == (None if field is None else str(field))

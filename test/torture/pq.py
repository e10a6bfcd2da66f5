"""pq.py: SQL through libpq, by ctypes: what a driver would do, with a deadline on everything.

libpq is there wherever the shim is built. A server that is stopped answers nothing at all, so that
nothing here waits without a limit."""

import ctypes
import select
import time

CONNECTION_OK, POLLING_FAILED, POLLING_READING, POLLING_OK = 0, 0, 1, 3
EMPTY_QUERY, COMMAND_OK, TUPLES_OK = 0, 1, 2
DIAG_SQLSTATE, DIAG_MESSAGE = ord("C"), ord("M")

_pq = ctypes.CDLL("libpq.so.5")
_pointer, _text, _int = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
for _name, _result, *_arguments in (
    ("PQconnectStart", _pointer, _text),
    ("PQconnectPoll", _int, _pointer),
    ("PQsetNoticeProcessor", _pointer, _pointer, _pointer, _pointer),
    ("PQsocket", _int, _pointer),
    ("PQstatus", _int, _pointer),
    ("PQerrorMessage", _text, _pointer),
    ("PQfinish", None, _pointer),
    ("PQsendQuery", _int, _pointer, _text),
    ("PQsendQueryParams", _int, _pointer, _text, _int, _pointer, _pointer, _pointer, _pointer, _int),
    ("PQconsumeInput", _int, _pointer),
    ("PQisBusy", _int, _pointer),
    ("PQgetResult", _pointer, _pointer),
    ("PQresultStatus", _int, _pointer),
    ("PQresultErrorField", _text, _pointer, _int),
    ("PQntuples", _int, _pointer),
    ("PQnfields", _int, _pointer),
    ("PQgetisnull", _int, _pointer, _int, _int),
    ("PQgetvalue", _text, _pointer, _int, _int),
    ("PQclear", None, _pointer),
):
    _function = getattr(_pq, _name)
    _function.restype, _function.argtypes = _result, _arguments

# Warnings of a server that is being killed are of no interest.
_silence = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda *_: None)


class Error(Exception):
    """lost: the connection is gone, so nobody knows whether a commit under way took place."""

    def __init__(self, message, sqlstate="", lost=False):
        super().__init__(message)
        self.sqlstate, self.lost = sqlstate, lost


class Connection:
    def __init__(self, conninfo, seconds=5):
        self._conn = _pq.PQconnectStart(conninfo.encode())
        _pq.PQsetNoticeProcessor(self._conn, ctypes.cast(_silence, ctypes.c_void_p), None)
        deadline, state = time.monotonic() + seconds, 2
        while _pq.PQstatus(self._conn) != 1 and state not in (POLLING_FAILED, POLLING_OK):
            self._wait(deadline, writing=state != POLLING_READING)
            state = _pq.PQconnectPoll(self._conn)
        if _pq.PQstatus(self._conn) != CONNECTION_OK:
            self._fail(_pq.PQerrorMessage(self._conn).decode())

    def close(self):
        if self._conn:
            _pq.PQfinish(self._conn)
        self._conn = None

    def _fail(self, message, sqlstate=""):
        self.close()
        raise Error(message.strip(), sqlstate, lost=True)

    def _wait(self, deadline, writing=False):
        socket, left = [_pq.PQsocket(self._conn)], deadline - time.monotonic()
        if left <= 0 or not any(select.select([] if writing else socket, socket if writing else [], [], left)):
            self._fail("no answer in time")

    def lost(self):
        """Has the server gone away?"""
        if self._conn and select.select([_pq.PQsocket(self._conn)], [], [], 0)[0]:
            if not _pq.PQconsumeInput(self._conn) or _pq.PQstatus(self._conn) != CONNECTION_OK:
                self.close()
        return not self._conn

    def query(self, sql, *values, seconds=20):
        """The rows, as lists of texts; those of several statements one after the other."""
        if not self._conn:
            raise Error("not connected", lost=True)
        if values:
            texts = (ctypes.c_char_p * len(values))(*(None if v is None else str(v).encode() for v in values))
            sent = _pq.PQsendQueryParams(self._conn, sql.encode(), len(values), None, texts, None, None, 0)
        else:
            sent = _pq.PQsendQuery(self._conn, sql.encode())
        if not sent:
            self._fail(_pq.PQerrorMessage(self._conn).decode())
        return self._results(time.monotonic() + seconds)

    def _results(self, deadline):
        rows, error = [], None
        while True:
            while _pq.PQisBusy(self._conn):
                self._wait(deadline)
                if not _pq.PQconsumeInput(self._conn):
                    self._fail(_pq.PQerrorMessage(self._conn).decode())
            result = _pq.PQgetResult(self._conn)
            if not result:
                break
            if _pq.PQresultStatus(result) == TUPLES_OK:
                rows += self._rows(result)
            elif _pq.PQresultStatus(result) not in (EMPTY_QUERY, COMMAND_OK):
                error = [(_pq.PQresultErrorField(result, field) or b"").decode() for field in (DIAG_MESSAGE, DIAG_SQLSTATE)]
            _pq.PQclear(result)
        if _pq.PQstatus(self._conn) != CONNECTION_OK:
            self._fail(*(error or ["the connection was lost"]))
        if error:
            raise Error(*error)
        return rows

    @staticmethod
    def _rows(result):
        return [
            [
                None if _pq.PQgetisnull(result, row, column) else _pq.PQgetvalue(result, row, column).decode()
                for column in range(_pq.PQnfields(result))
            ]
            for row in range(_pq.PQntuples(result))
        ]

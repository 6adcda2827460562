# SPDX-License-Identifier: Apache-2.0

"""Clients of PostgreSQL at $URL, made with one of Python's drivers.

    python drivers.py NAME

does a bit of everything that the driver, or what is built on it, can do, and
prints what it saw, a line each: the same directly and through weir.
"""

import asyncio
import datetime
import decimal
import io
import json
import logging
import os
import select
import sys
import threading
from urllib.parse import urlparse

URL = os.environ["URL"]
PATIENCE = 60  # seconds, for what must not hang
FOREVER = "select pg_sleep(600)"


def say(what, value):
    print(f"{what}: {value!r}", flush=True)


def failure(error):
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__} {code}: {first}"


def outcome(ask):
    try:
        return ask()
    except Exception as error:
        return failure(error)


async def outcome_of(asking):
    try:
        return await asking
    except Exception as error:
        return failure(error)


def running(connection):
    """Wait until another connection sees what this one runs, then cancel it."""
    import psycopg

    with psycopg.connect(URL, autocommit=True) as watcher:
        while not watcher.execute(
            "select 1 from pg_stat_activity where query = %s and state = 'active'", (FOREVER,)
        ).fetchone():
            pass
    connection.cancel()


def cancelled(connection, ask):
    thread = threading.Thread(target=running, args=(connection,))
    thread.start()
    said = outcome(ask)
    thread.join()
    return said


def crowd(size, visit):
    """Let threads visit at once, and raise what one of them raised."""
    errors = []

    def guarded(n):
        try:
            visit(n)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def psycopg3():
    import psycopg
    import psycopg_pool

    logging.disable()  # it warns of a pipeline that fails

    with psycopg.connect(URL, autocommit=True) as c:
        c.execute("create table wares (id int primary key, name text, facts jsonb, price numeric, tags int[], at timestamptz, raw bytea)")
        at = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
        for i in range(12):  # from the fifth on it is prepared
            c.execute(
                "insert into wares values (%s, %s, %s, %s, %s, %s, %s)",
                (i, f"ware {i}", json.dumps({"i": i}), decimal.Decimal("1.5") * i, [i, i + 1], at, bytes([i])),
            )
        say("text", c.execute("select * from wares where id = %s", (3,)).fetchall())
        say("binary", c.execute("select * from wares where id < %b order by id", (4,), binary=True).fetchall())
        say("prepared", [c.execute("select name from wares where id = %s", (i,)).fetchone() for i in range(10)])
        c.execute("alter table wares add column stock int default 7")
        say("after ALTER TABLE", [outcome(lambda: c.execute("select * from wares where id = %s", (i,)).fetchall()) for i in range(8)])

        with c.pipeline() as p:
            cursors = [c.execute("select %s::int + 1", (i,)) for i in range(20)]
            p.sync()
            say("pipeline", [cursor.fetchone()[0] for cursor in cursors])

        def broken():
            with c.pipeline():
                c.execute("select 1")
                c.execute("select 1 / 0")
                c.execute("select 2")

        say("a pipeline that fails", outcome(broken))
        with c.pipeline(), c.transaction():
            c.execute("insert into wares (id) values (100)")
            c.execute("insert into wares (id) values (101)")
        say("a transaction in a pipeline", c.execute("select count(*) from wares").fetchone())
        cursor = c.cursor()
        cursor.executemany("insert into wares (id) values (%s) returning id", [(200 + i,) for i in range(5)], returning=True)
        say("executemany", [result.fetchone() for result in cursor.results()])

        with c.cursor().copy("copy wares (id, name) from stdin") as copy:
            for i in range(300, 310):
                copy.write_row((i, "copied"))
        with c.cursor().copy("copy (select id, name from wares where id >= 300 order by id) to stdout") as copy:
            say("COPY", list(copy.rows()))

        def abandoned():
            with c.cursor().copy("copy wares (id) from stdin") as copy:
                copy.write_row((400,))
                raise ValueError("no more")

        say("a COPY that is abandoned", outcome(abandoned))

        with c.transaction(), c.cursor("within") as cursor:
            cursor.itersize = 3
            cursor.execute("select id from wares order by id")
            say("a cursor of the server", [row[0] for row in cursor])
        with c.cursor("held", withhold=True) as cursor:
            cursor.execute("select id from wares order by id limit 5")
            say("a cursor WITH HOLD", cursor.fetchmany(2))
            c.execute("select 1")
            say("and later", cursor.fetchall())
        with c.transaction():
            c.execute("insert into wares (id) values (500)")
            with c.transaction(force_rollback=True):
                c.execute("insert into wares (id) values (501)")
            c.execute("insert into wares (id) values (502)")
        say("savepoints", c.execute("select id from wares where id >= 500 order by id").fetchall())

        c.execute("listen news")
        c.execute("select pg_notify('news', 'hello')")
        say("a notification", [(n.channel, n.payload, n.pid == c.info.backend_pid) for n in c.notifies(timeout=PATIENCE, stop_after=1)])
        c.execute("unlisten *")
        say("cancel", cancelled(c, lambda: c.execute(FOREVER)))
        say("and after", c.execute("select 1").fetchone())
        say("the connection", (c.info.encoding, c.info.server_version, c.info.transaction_status.name))

    with psycopg.connect(URL, prepare_threshold=0, autocommit=True) as c:
        for end in ("deallocate all", "discard all"):
            say(end, [outcome(lambda: c.execute("select %s::text, %s::int", ("a", i)).fetchone()) for i in range(3)])
            c.execute(end)
        c.prepared_max = 2  # each one more sends DEALLOCATE
        say("few prepared", [c.execute(f"select {i}, %s::int", (i,)).fetchone() for i in range(8)])
    with psycopg.connect(URL) as c:
        c.isolation_level, c.read_only = psycopg.IsolationLevel.SERIALIZABLE, True
        say("isolation", c.execute("show transaction_isolation").fetchone())
        say("read only", outcome(lambda: c.execute("create table no ()")))

    with psycopg_pool.ConnectionPool(URL, min_size=4, max_size=8) as pool:

        def visit(n):
            for i in range(50):
                with pool.connection() as c:
                    c.execute("select set_config('application_name', %s, true)", (f"visitor {n}",))
                    assert c.execute("select %s::int * 2", (n * 100 + i,)).fetchone() == (n * 200 + 2 * i,)
                    assert c.execute("show application_name").fetchone() == (f"visitor {n}",)

        crowd(16, visit)

    async def impatient():
        async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as c:
            say("impatient", await outcome_of(asyncio.wait_for(c.execute(FOREVER), 1)))
            say("and after", await (await c.execute("select 2")).fetchall())

    asyncio.run(impatient())


def psycopg2():
    import psycopg2
    import psycopg2.extras

    c = psycopg2.connect(URL)
    cursor = c.cursor()
    cursor.execute("create table wares (id int, name text)")
    psycopg2.extras.execute_values(cursor, "insert into wares values %s", [(i, f"ware {i}") for i in range(1000)])
    c.commit()
    with c.cursor("within") as named:
        named.itersize = 100
        named.execute("select id from wares order by id")
        say("a cursor of the server", sum(row[0] for row in named))
    c.commit()
    with c.cursor("held", withhold=True) as named:
        named.execute("select * from wares order by id")
        say("a cursor WITH HOLD", named.fetchmany(2))
        c.commit()
        say("and later", named.fetchmany(2))
    c.commit()
    with c.cursor("both ways", scrollable=True) as named:
        named.execute("select * from wares order by id")
        named.scroll(10)
        say("forward", named.fetchone())
        named.scroll(-5)
        say("backward", named.fetchone())
    c.rollback()

    cursor.copy_expert("copy wares from stdin", io.StringIO("5000\ta\n5001\tb\n"))
    out = io.StringIO()
    cursor.copy_expert("copy (select * from wares where id >= 5000 order by 1) to stdout", out)
    say("COPY", out.getvalue())
    c.commit()
    say("a COPY that fails", outcome(lambda: cursor.copy_expert("copy wares from stdin", io.StringIO("x\ta\n"))))
    c.rollback()
    c.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
    cursor.execute("show transaction_isolation")
    say("isolation", cursor.fetchone())
    c.rollback()
    c.set_session(isolation_level="DEFAULT", readonly=False, deferrable=False)

    c.autocommit = True
    cursor.execute("listen news")
    cursor.execute("notify news, 'hello'")
    while not c.notifies:
        select.select([c], [], [], PATIENCE)
        c.poll()
    say("a notification", [(n.channel, n.payload, n.pid == c.info.backend_pid) for n in c.notifies])
    cursor.execute("do $$ begin raise notice 'look'; end $$")
    say("a notice", c.notices[-1])
    cursor.execute("set search_path = pg_catalog")
    c.reset()
    cursor.execute("show search_path")
    say("after reset", cursor.fetchone())
    c.rollback()
    c.autocommit = True  # reset has ended that as well
    say("cancel", cancelled(c, lambda: cursor.execute(FOREVER)))
    cursor.execute("select 1; select 2; select 3")
    say("several statements", cursor.fetchall())
    c.set_client_encoding("LATIN1")
    cursor.execute("select %s", ("é",))
    say("another encoding", (c.encoding, cursor.fetchone()))
    c.autocommit = False
    large = c.lobject(0, "wb")
    large.write(b"hello" * 1000)
    large.close()
    c.commit()
    large = c.lobject(large.oid, "rb")
    say("a large object", len(large.read()))
    large.unlink()
    c.commit()
    c.close()


def asyncpg():
    asyncio.run(asyncpg_visits())


async def asyncpg_visits():
    import asyncpg

    c = await asyncpg.connect(URL)
    await c.execute("create type mood as enum ('sad', 'fine')")
    await c.execute("create table wares (id serial primary key, name text, mood mood, facts jsonb, tags text[])")
    insert = "insert into wares (name, mood, facts, tags) values ($1, $2, $3, $4) returning name"
    say("an enum", await c.fetchval(insert, "x", "fine", '{"a": 1}', ["p", "q"]))
    for _ in range(6):
        row = await c.fetchrow("select * from wares where name = $1", "x")
    say("a row", dict(row))
    await c.execute("alter table wares add column stock int")
    say("after ALTER TABLE", await outcome_of(c.fetch("select * from wares where name = $1", "x")))
    await c.executemany("insert into wares (name) values ($1)", [(f"ware {i}",) for i in range(100)])
    say("executemany", await c.fetchval("select count(*) from wares"))

    async with c.transaction():
        say("a cursor", [r["id"] async for r in c.cursor("select id from wares order by id limit 10", prefetch=3)])
        cursor = await c.cursor("select id from wares order by id")
        await cursor.forward(5)
        say("forward", [r["id"] for r in await cursor.fetch(3)])
    async with c.transaction(isolation="serializable", readonly=True, deferrable=True):
        say("isolation", await c.fetchval("show transaction_isolation"))
    async with c.transaction():
        await c.execute("insert into wares (name) values ('outer')")
        try:
            async with c.transaction():
                await c.execute("select 1 / 0")
        except Exception as error:
            say("a savepoint", failure(error))
        say("the transaction goes on", await c.fetchval("select count(*) from wares where name = 'outer'"))

    await c.copy_records_to_table("wares", records=[("copied", None)], columns=["name", "facts"])
    out = io.BytesIO()
    await c.copy_from_query("select name from wares where name = $1", "copied", output=out)
    say("COPY", out.getvalue())
    statement = await c.prepare("select $1::int + $2::int as sum")
    say("prepared", [await statement.fetchval(i, 1) for i in range(3)])
    say("its columns", [a.name for a in statement.get_attributes()])

    heard = asyncio.Queue()
    await c.add_listener("news", lambda _, pid, channel, text: heard.put_nowait((channel, text, pid == c.get_server_pid())))
    await c.execute("notify news, 'hello'")
    say("a notification", await asyncio.wait_for(heard.get(), PATIENCE))
    await c.reset()
    say("a time-out", await outcome_of(c.fetch(FOREVER, timeout=1)))
    await c.execute("set timezone = 'Asia/Tokyo'")
    say("a setting", (await c.fetchval("show timezone"), c.get_settings().TimeZone))
    await c.reload_schema_state()
    await c.close()

    pool = await asyncpg.create_pool(URL, min_size=3, max_size=10)

    async def visit(n):
        for i in range(40):
            async with pool.acquire() as c:
                await c.execute(f"set application_name = 'visitor {n}'")
                assert await c.fetchval("select $1::int", i) == i
                assert await c.fetchval("show application_name") == f"visitor {n}"
                async with c.transaction():
                    assert await c.fetchval("select $1::text || 'x'", str(n)) == f"{n}x"

    await asyncio.gather(*[visit(n) for n in range(20)])
    await pool.close()
    c = await asyncpg.connect(URL, server_settings={"search_path": "pg_catalog", "application_name": "mine"}, statement_cache_size=0)
    say("settings at login", (await c.fetchval("show search_path"), await c.fetchval("show application_name")))
    await c.close()


def pg8000():
    import pg8000.native

    at = urlparse(URL)
    c = pg8000.native.Connection(at.username, host=at.hostname, port=at.port, password=at.password, database=at.path[1:])
    say("named parameters", c.run("select :a::int + 1, :b::text", a=1, b="x"))
    prepared = c.prepare("select :v::int")
    say("prepared", [prepared.run(v=i) for i in range(4)])
    prepared.close()
    c.run("start transaction")
    c.run("create temp table passing (a int) on commit drop")
    say("a temporary table", c.run("select count(*) from passing"))
    c.run("rollback")
    say("an error", outcome(lambda: c.run("select 1 / 0"))[:40])
    c.run("create table wares (id int, name text)")
    c.run("copy wares from stdin", stream=io.StringIO("1\tx\n2\ty\n"))
    out = io.BytesIO()
    c.run("copy wares to stdout", stream=out)
    say("COPY", out.getvalue())
    c.run("listen news")
    c.run("notify news, 'hello'")
    c.run("select 1")
    say("a notification", [n[1:] for n in c.notifications])
    c.close()


def sqlalchemy():
    from sqlalchemy import ForeignKey, create_engine, inspect, select, text
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

    for driver in ("psycopg", "psycopg2"):
        engine = create_engine(URL.replace("postgres://", f"postgresql+{driver}://"), pool_size=5)

        class Base(DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            posts = relationship("Post", back_populates="user")

        class Post(Base):
            __tablename__ = "posts"
            id: Mapped[int] = mapped_column(primary_key=True)
            user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
            user = relationship("User", back_populates="posts")

        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([User(name=f"user {i}", posts=[Post(), Post()]) for i in range(50)])
            session.commit()
            say(driver, sum(len(u.posts) for u in session.scalars(select(User))))
            with session.begin_nested():
                session.execute(text("update users set name = 'z' where id = 1"))
            session.rollback()
            say("rolled back", session.get(User, 1).name)
        say("reflection", sorted(column["name"] for column in inspect(engine).get_columns("users")))
        with engine.connect().execution_options(stream_results=True, max_row_buffer=10) as c:
            say("streamed", sum(row[0] for row in c.execute(text("select id from users"))))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as c:
            say("autocommit", c.execute(text("select 1")).scalar())
        with engine.connect().execution_options(isolation_level="SERIALIZABLE") as c:
            say("serializable", c.execute(text("show transaction_isolation")).scalar())

        def visit(n):
            for _ in range(20):
                with Session(engine) as session:
                    assert session.get(User, n + 1).name == f"user {n}"

        crowd(10, visit)
        Base.metadata.drop_all(engine)
        engine.dispose()


def django():
    import django as package
    from django.conf import settings

    at = urlparse(URL)
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": at.path[1:],
                "USER": at.username,
                "PASSWORD": at.password,
                "HOST": at.hostname,
                "PORT": at.port,
                "CONN_MAX_AGE": None,
                "OPTIONS": {"options": "-c statement_timeout=60000"},
            }
        },
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        USE_TZ=True,
        TIME_ZONE="Europe/Berlin",
    )
    package.setup()
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.db import IntegrityError, connection, transaction

    call_command("migrate", verbosity=0)
    User.objects.bulk_create([User(username=f"user {i}") for i in range(300)])
    say("iterator", sum(1 for _ in User.objects.order_by("id").iterator(chunk_size=20)))  # a cursor WITH HOLD
    with transaction.atomic():
        say("in a transaction", sum(1 for _ in User.objects.order_by("id").iterator(chunk_size=20)))
        say("locked", User.objects.select_for_update().filter(username="user 1").count())
    with transaction.atomic():
        User.objects.create(username="new")
        try:
            with transaction.atomic():
                User.objects.create(username="user 1")
        except IntegrityError as error:
            say("twice", str(error).splitlines()[0])
        transaction.set_rollback(True)
    say("rolled back", User.objects.filter(username="new").exists())
    group = Group.objects.create(name="readers")
    group.user_set.add(*User.objects.all()[:10])
    say("many to many", group.user_set.count())
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('timezone'), current_setting('statement_timeout')")
        say("settings", cursor.fetchone())
    unread = User.objects.order_by("id").iterator(chunk_size=10)
    next(unread)
    say("while a cursor is open", User.objects.count())
    del unread

    def visit(n):
        for i in range(20):
            assert User.objects.get(username=f"user {i}").username == f"user {i}"
        connection.close()

    crowd(10, visit)
    call_command("migrate", "auth", "zero", verbosity=0)
    say("migrated back", "auth_user" in connection.introspection.table_names())
    connection.close()


if __name__ == "__main__":
    globals()[sys.argv[1]]()

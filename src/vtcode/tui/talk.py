"""The conversation behind the screen: connects, runs one turn after another, and keeps what waits for its turn."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Protocol

import msgspec

from vtcode.approver import Approver
from vtcode.conversation import Conversation
from vtcode.events import Event
from vtcode.providers import ProviderError
from vtcode.sessions import SessionError
from vtcode.sessions.session import Session
from vtcode.settings import Settings
from vtcode.startup import Running, start
from vtcode.workspace import Workspace


class Listener(Protocol):
    """Who is told what happens."""

    def hear(self, event: Event) -> None:
        """Be told what happens in a turn."""
        ...

    def begin(self, text: str) -> None:
        """Be told that a turn begins with what the person said."""
        ...

    def interrupted(self) -> None:
        """Be told that the turn was interrupted; none of its events comes any more."""
        ...

    def connected(self, running: Running, session: Session) -> None:
        """Be told what the conversation goes on with."""
        ...

    def stranded(self) -> None:
        """Be told that there is no server to go on with."""
        ...

    def awaits(self, what: str) -> None:
        """Be told what is awaited, outside a turn."""
        ...

    def say(self, text: str) -> None:
        """Show the person a line."""
        ...

    def fail(self, text: str) -> None:
        """Show the person an error."""
        ...

    def changed(self) -> None:
        """Be told that something to be seen has changed: the queue, whether a turn runs."""
        ...


class Options(msgspec.Struct, frozen=True):
    """How the program was started."""

    full_auto: bool = False
    embedded: bool = False


_Work = Callable[[Running], Coroutine[None, None, None]]


class Talk:
    """One conversation at a time, with one model at a time."""

    def __init__(
        self,
        settings: Settings,
        workspace: Workspace,
        session: Session,
        approver: Approver,
        listener: Listener,
        options: Options,
    ) -> None:
        """Begin with a session, which is closed in the end, as is any that comes after it."""
        self.settings = settings
        self.session = session
        self.running: Running | None = None
        self.queue: deque[str] = deque()
        """What the person said and the model has not been asked yet."""
        self._workspace = workspace
        self._approver = approver
        self._listener = listener
        self._options = options
        self._conversation: Conversation | None = None
        self._works: deque[_Work] = deque()
        self._turn: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._switch: _Switch | None = None
        self._is_connecting = True

    @property
    def is_working(self) -> bool:
        """Whether a turn runs."""
        return self._turn is not None

    @property
    def is_connecting(self) -> bool:
        return self._is_connecting

    @property
    def conversation(self) -> Conversation:
        """What was said in this session."""
        if self._conversation is None:
            notes = self.running.notes if self.running is not None else ""
            session = self.session
            self._conversation = Conversation(session.facts, session, notes, session.turns_before)
        return self._conversation

    def submit(self, text: str) -> None:
        """Ask the model, when it is done with what was asked before."""
        self.queue.append(text)
        self._tell()

    def take_back(self) -> str | None:
        """Give back the newest of what waits."""
        text = self.queue.pop() if self.queue else None
        self._listener.changed()
        return text

    def interrupt(self) -> bool:
        """End the turn that runs; tell whether there was one."""
        if self._turn is None:
            return False
        self._turn.cancel()
        return True

    async def use(self, settings: Settings, *, embedded: bool = False) -> bool:
        """Connect with other settings, and keep what works: tell whether these do.

        The person is told why, when they do not.
        """
        tried: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._switch = _Switch(settings, msgspec.structs.replace(self._options, embedded=embedded), tried)
        self._tell()
        return await tried

    def use_session(self, session: Session) -> None:
        """Go on in another session; between turns only, which `rest` makes sure of."""
        self.session.close()
        self.session = session
        self._conversation = None
        if self.running is not None:
            self._begin(self.running.within(session))

    def rest(self) -> None:
        """Raise SessionError while a turn runs: one may have begun since a command was."""
        if self._turn is not None:
            raise SessionError("A turn runs by now: Esc interrupts it, and then say it again.")

    async def compact(self, *, by_model: bool) -> None:
        """Make the conversation shorter. Raises ProviderError."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def work(running: Running) -> None:
            try:
                async with contextlib.aclosing(running.agent.compact(self.conversation, by_model=by_model)) as told:
                    async for event in told:
                        self._listener.hear(event)
            except ProviderError as error:
                self._listener.fail(str(error))
            finally:
                if not done.done():
                    done.set_result(None)

        self._works.append(work)
        self._tell()
        await done

    async def run(self) -> None:
        """Connect, and take turns, until this is cancelled."""
        try:
            while True:
                await self._connect()
        finally:
            self.session.close()

    async def _connect(self) -> None:
        switch, self._switch = self._switch, None
        settings = switch.settings if switch else self.settings
        options = switch.options if switch else self._options
        self._is_connecting = True
        self._listener.changed()
        try:
            async with start(
                settings,
                self._workspace,
                self._approver,
                self._listener.say,
                with_tools=True,
                full_auto=options.full_auto,
                embedded=options.embedded,
                session=self.session,
                progress=self._listener.awaits,
            ) as running:
                self.settings, self._options = settings, options
                self._is_connecting = False
                if switch:
                    await self._load(running)
                    switch.tell(works=True)
                self._begin(running)
                await self._serve()
        except ProviderError as error:
            self._listener.fail(str(error))
            if switch:
                # What worked before is gone back to; without any, the next try is the person's.
                switch.tell(works=False)
                if self.running is not None:
                    self.running = None
                    return
            self._listener.stranded()
            await self._wait()
        finally:
            self._is_connecting = False
            if switch:
                switch.tell(works=False)

    async def _load(self, running: Running) -> None:
        """Have a model that was chosen be there; one who does not wait for it can go on."""
        self._listener.awaits(f"loading {running.model}")
        self._turn = asyncio.create_task(self._loaded(running))
        self._listener.changed()
        try:
            await asyncio.wait({self._turn})
        finally:
            loading, self._turn = self._turn, None
            loading.cancel()
            await asyncio.wait({loading})
        if not loading.cancelled():
            loading.result()

    async def _loaded(self, running: Running) -> None:
        def tell(share: float) -> None:
            self._listener.awaits(f"loading {running.model} {share:.0%}")

        await running.provider.load(running.model, tell)

    def _begin(self, running: Running) -> None:
        self.running = running
        for sentence in self.session.take_said():
            self._listener.say(sentence)
        if self._conversation is None or self._conversation.notes != running.notes:
            self._conversation = None
        self._listener.connected(running, self.session)

    async def _wait(self) -> None:
        """Wait until the person wants something, which is reason enough to try again."""
        self.running = None
        self._is_connecting = False
        self._listener.changed()
        # What was said before it failed waits; only news count.
        self._news.clear()
        await self._news.wait()

    async def _serve(self) -> None:
        """Take turns with what is connected, until something else is wanted."""
        warming: asyncio.Task[None] | None = asyncio.create_task(self._warm_up())
        try:
            while self._switch is None:
                if not (self.queue or self._works):
                    self._news.clear()
                    await self._news.wait()
                    continue
                if warming is not None:
                    warming.cancel()
                    await asyncio.wait({warming})
                    warming = None
                await self._next()
        finally:
            if warming is not None:
                warming.cancel()
                await asyncio.wait({warming})

    async def _next(self) -> None:
        running = self.running
        assert running is not None
        work = self._works.popleft() if self._works else None
        text = "" if work else self.queue.popleft()
        self._turn = asyncio.create_task(work(running) if work else self._take(running, text))
        self._listener.changed()
        try:
            await asyncio.wait({self._turn})
        finally:
            # On every way out, so that no turn outlives the conversation.
            turn, self._turn = self._turn, None
            if not turn.done():
                turn.cancel()
                await asyncio.wait({turn})
        if turn.cancelled():
            self._listener.interrupted()
        elif (error := turn.exception()) is not None:
            raise error
        self._listener.changed()

    async def _take(self, running: Running, text: str) -> None:
        self._listener.begin(text)
        async with contextlib.aclosing(running.agent.run_turn(self.conversation, text)) as told:
            async for event in told:
                self._listener.hear(event)

    async def _warm_up(self) -> None:
        running = self.running
        if running is not None and running.warms_up:
            await running.agent.warm_up(self.conversation)

    def _tell(self) -> None:
        self._news.set()
        self._listener.changed()


class _Switch:
    """Settings that are to be tried."""

    def __init__(self, settings: Settings, options: Options, tried: "asyncio.Future[bool]") -> None:
        self.settings = settings
        self.options = options
        self._tried = tried

    def tell(self, *, works: bool) -> None:
        if not self._tried.done():
            self._tried.set_result(works)

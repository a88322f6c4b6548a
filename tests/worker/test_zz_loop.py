import pytest
from tests.worker.conftest import *
from tests.worker.test_process import *
from tests.worker.test_process import running, counting, client
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]
for n in [n for n in dir() if n.startswith("test_")]: del globals()[n]
@pytest.mark.parametrize("i", range(12))
async def test_it(start, fleet, client, i):
    await fleet.fault(kind="delay_before", action="members", delay_seconds=1)
    w = await running(start, EUCORA_SHUTDOWN_GRACE_SECONDS="60")
    act = await counting(client)
    await fleet.held.wait()
    w.terminate(); 
    await w.line("worker.stopping")
    fleet.released.set()
    await act.result()
    rc = await w.ended()
    assert rc==0, w.said

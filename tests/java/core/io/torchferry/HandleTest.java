package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

class HandleTest {
    private final AtomicLong freed = new AtomicLong();

    private Handle handle(long pointer) {
        return Handle.owning("Thing", pointer, freed::addAndGet);
    }

    @Test
    void givesThePointerAndFreesItOnce() {
        Handle handle = handle(42);
        assertEquals(43L, handle.<Long, RuntimeException>use(pointer -> pointer + 1).longValue());
        handle.close();
        handle.close();
        assertEquals(42, freed.get());
    }

    @Test
    void useAfterCloseIsRefused() {
        Handle handle = handle(1);
        handle.requireOpen();
        handle.close();
        IllegalStateException refused = assertThrows(IllegalStateException.class, () -> handle.use(p -> p));
        assertEquals("Thing is closed", refused.getMessage());
        assertThrows(IllegalStateException.class, handle::requireOpen);
    }

    @Test
    void closeWhileAnotherThreadIsInsideIsRefusedAndWorksLater() throws Exception {
        Handle handle = handle(5);
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch leave = new CountDownLatch(1);
        Thread user = new Thread(() -> handle.use(pointer -> {
            inside.countDown();
            try {
                leave.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            return pointer;
        }));
        user.start();
        inside.await();
        IllegalStateException refused = assertThrows(IllegalStateException.class, handle::close);
        assertTrue(refused.getMessage().contains("in use"), refused.getMessage());
        assertEquals(0, freed.get());
        leave.countDown();
        user.join();
        handle.close();
        assertEquals(5, freed.get());
    }

    @Test
    void severalAreUsedTogetherOrNotAtAll() {
        Handle one = handle(1);
        Handle two = handle(2);
        assertEquals(6L, Handle.useAll(new Handle[] {one, two, two, one}, p -> p[0] + p[1] + p[2] + p[3]).longValue());
        two.close();
        assertThrows(IllegalStateException.class, () -> Handle.useAll(new Handle[] {one, two}, p -> null));
        one.close();
        assertEquals(3, freed.get());
    }

    @Test
    void anExceptionInsideEndsTheUse() {
        Handle handle = handle(5);
        assertThrows(ArithmeticException.class, () -> handle.use(p -> {
            throw new ArithmeticException();
        }));
        handle.close();
        assertEquals(5, freed.get());
    }

    @Test
    void nothingIsUsedAfterItWasFreed() throws Exception {
        for (int round = 0; round < 200; round++) {
            AtomicInteger alive = new AtomicInteger(1);
            AtomicInteger late = new AtomicInteger();
            Handle handle = Handle.owning("Thing", 1, pointer -> alive.set(0));
            Thread[] users = new Thread[3];
            CountDownLatch start = new CountDownLatch(1);
            for (int i = 0; i < users.length; i++) {
                users[i] = new Thread(() -> {
                    try {
                        start.await();
                        while (true) {
                            handle.use(pointer -> alive.get() == 1 ? null : late.incrementAndGet());
                        }
                    } catch (InterruptedException | IllegalStateException e) {
                        return;
                    }
                });
                users[i].start();
            }
            start.countDown();
            while (true) {
                try {
                    handle.close();
                    break;
                } catch (IllegalStateException e) {
                    Thread.onSpinWait();
                }
            }
            for (Thread user : users) {
                user.join();
            }
            assertEquals(0, late.get());
        }
    }

    @Test
    void aForgottenOwnerIsFreedAndLogged() throws Exception {
        List<LogRecord> records = capture(() -> {
            handle(7);
            assertTrue(Fixtures.collectUntil(() -> freed.get() == 7));
        });
        assertEquals(1, records.size());
        assertTrue(records.get(0).getMessage().contains("Thing was never closed"), records.get(0).getMessage());
        assertNull(records.get(0).getThrown());
    }

    @Test
    void theLeakTraceTellsWhereItWasOpened() throws Exception {
        System.setProperty("torchferry.leakTrace", "true");
        try {
            List<LogRecord> records = capture(() -> {
                handle(7);
                assertTrue(Fixtures.collectUntil(() -> freed.get() == 7));
            });
            StackTraceElement[] stack = records.get(0).getThrown().getStackTrace();
            assertTrue(List.of(stack).stream().anyMatch(e -> e.getClassName().contains("HandleTest")));
        } finally {
            System.clearProperty("torchferry.leakTrace");
        }
    }

    @Test
    void whatTheCollectorMayFreeIsNoLeak() throws Exception {
        List<LogRecord> records = capture(() -> {
            Handle.collected("Tensor", 9, freed::addAndGet);
            assertTrue(Fixtures.collectUntil(() -> freed.get() == 9));
        });
        assertFalse(records.stream().anyMatch(r -> r.getMessage().contains("Tensor")));
    }

    private interface Work {
        void run() throws Exception;
    }

    /** The messages about leaks that the work causes, of things named Thing or Tensor. */
    private static List<LogRecord> capture(Work work) throws Exception {
        List<LogRecord> records = java.util.Collections.synchronizedList(new ArrayList<>());
        Logger logger = Logger.getLogger("io.torchferry");
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord message) {
                if (message.getMessage().startsWith("Thing") || message.getMessage().startsWith("Tensor")) {
                    records.add(message);
                }
            }

            @Override
            public void flush() {
            }

            @Override
            public void close() {
            }
        };
        logger.addHandler(handler);
        logger.setUseParentHandlers(false);
        try {
            work.run();
            // The message follows the freeing on the cleaner's thread.
            Thread.sleep(100);
        } finally {
            logger.setUseParentHandlers(true);
            logger.removeHandler(handler);
        }
        return records;
    }
}

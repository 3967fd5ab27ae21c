package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class DeviceBudgetTest {
    private static final Device A = Device.cuda(0);
    private static final Device B = Device.cuda(1);

    private final DeviceBudget budget = new DeviceBudget(Map.of(A, 10L, B, 10L));
    private final List<String> served = new ArrayList<>();

    private static final AtomicLong NUMBERS = new AtomicLong();

    private record Waiting(long number, Consumer<Reservation> taker) implements DeviceBudget.Waiter {
        @Override
        public void granted(Reservation reservation) {
            taker.accept(reservation);
        }
    }

    private static DeviceBudget.Waiter waiter(Consumer<Reservation> taker) {
        return new Waiting(NUMBERS.getAndIncrement(), taker);
    }

    private DeviceBudget.Waiter waiter(String name, List<Reservation> got) {
        return waiter(reservation -> {
            served.add(name);
            got.add(reservation);
        });
    }

    private Reservation tryTake(Map<Device, Long> bytes) {
        return budget.tryTake(bytes, waiter(reservation -> { }));
    }

    @Test
    void takesAndGivesBack() {
        Reservation seven = tryTake(Map.of(A, 7L));
        assertNull(tryTake(Map.of(A, 4L)));
        assertEquals(Map.of(A, 1L), budget.missing(Map.of(A, 4L)));
        Reservation three = tryTake(Map.of(A, 3L));
        seven.leave();
        assertEquals(3L, budget.used().get(A));
        three.leave();
        assertEquals(0L, budget.used().get(A));
        assertEquals(10L, budget.peaks().get(A));
        assertThrows(IllegalStateException.class, three::leave);
    }

    @Test
    void devicesWithoutLimitAreCountedOnly() {
        Reservation cpu = tryTake(Map.of(Device.cpu(), 1L << 60));
        assertEquals(1L << 60, budget.used().get(Device.cpu()));
        cpu.leave();
    }

    @Test
    void theLastHolderGivesBack() {
        Reservation taken = tryTake(Map.of(A, 7L));
        assertTrue(taken.join());
        taken.leave();
        assertEquals(7L, budget.used().get(A));
        taken.leave();
        assertEquals(0L, budget.used().get(A));
        assertFalse(taken.join());
    }

    @Test
    void shrinkingGivesTheRestBack() {
        Reservation taken = tryTake(Map.of(A, 7L, B, 2L));
        assertTrue(taken.covers(Map.of(A, 7L)));
        assertFalse(taken.covers(Map.of(A, 8L)));
        taken.shrinkTo(Map.of(A, 3L));
        assertEquals(Map.of(A, 3L, B, 0L), budget.used());
        taken.shrinkTo(Map.of(A, 30L, B, 30L));
        assertEquals(Map.of(A, 3L), taken.bytes());
        taken.leave();
        assertEquals(Map.of(A, 0L, B, 0L), budget.used());
    }

    @Test
    void whoWaitsLongerIsServedFirst() {
        Reservation all = tryTake(Map.of(A, 10L));
        List<Reservation> got = new ArrayList<>();
        assertNull(budget.takeOrWait(Map.of(A, 9L), waiter("big", got)));
        assertNull(budget.takeOrWait(Map.of(A, 1L), waiter("small", got)));
        assertEquals(Map.of(A, 9L), budget.shortage());
        Reservation one = tryTake(Map.of(B, 1L));
        assertNotNull(one, "nobody waits for that device");
        all.shrinkTo(Map.of(A, 5L));
        assertEquals(List.of(), served, "the small one must not pass, or the big one might wait forever");
        assertNull(tryTake(Map.of(A, 1L)));
        all.leave();
        assertEquals(List.of("big", "small"), served);
        got.forEach(Reservation::leave);
        one.leave();
        assertEquals(0, budget.waiters());
        assertEquals(Map.of(), budget.shortage());
    }

    @Test
    void theOlderGoesBeforeTheYoungerHoweverLateItComes() {
        Reservation all = tryTake(Map.of(A, 10L));
        List<Reservation> got = new ArrayList<>();
        DeviceBudget.Waiter older = waiter("older", got);
        assertNull(budget.takeOrWait(Map.of(A, 8L), waiter("younger", got)));
        all.shrinkTo(Map.of(A, 5L));
        assertNotNull(budget.takeOrWait(Map.of(A, 5L), older), "only those before it are in its way");
        assertEquals(List.of(), served);
        all.leave();
        assertEquals(5L, budget.used().get(A));
    }

    @Test
    void nobodyHoldsAPartAndWaitsForTheRest() {
        Reservation onB = tryTake(Map.of(B, 10L));
        List<Reservation> got = new ArrayList<>();
        assertNull(budget.takeOrWait(Map.of(A, 5L, B, 5L), waiter("both", got)));
        assertEquals(0L, budget.used().getOrDefault(A, 0L));
        onB.leave();
        assertEquals(List.of("both"), served);
    }

    @Test
    void whoGoesLetsOthersPass() {
        Reservation some = tryTake(Map.of(A, 5L));
        List<Reservation> got = new ArrayList<>();
        DeviceBudget.Waiter big = waiter("big", got);
        assertNull(budget.takeOrWait(Map.of(A, 9L), big));
        assertNull(budget.takeOrWait(Map.of(A, 5L), waiter("small", got)));
        assertTrue(budget.withdraw(big));
        assertFalse(budget.withdraw(big));
        assertEquals(List.of("small"), served);
        some.leave();
    }

    @Test
    void refusalsTellWhatLacks() {
        Reservation some = tryTake(Map.of(A, 6L));
        BudgetExceededException now = budget.refusal(Map.of(A, 5L), "model.pth");
        assertEquals(A, now.device());
        assertEquals(5, now.needed());
        assertEquals(4, now.free());
        assertEquals(10, now.budget());
        assertTrue(now.getMessage().startsWith("model.pth needs 5 bytes on cuda:0, of which 4 are free"),
                now.getMessage());
        BudgetExceededException ever = assertThrows(BudgetExceededException.class,
                () -> budget.requirePossible(Map.of(B, 11L), "x"));
        assertTrue(ever.getMessage().contains("more than the whole budget of 10"), ever.getMessage());
        some.leave();
    }

    @Test
    void namesOfOneDeviceAreOneDevice() {
        assertEquals(Device.cpu(), DeviceBudget.normal(Device.parse("cpu:0")));
        assertEquals(A, DeviceBudget.normal(Device.parse("cuda")));
        assertEquals(Device.meta(), DeviceBudget.normal(Device.meta()));
    }

    /** Threads that take, wait, withdraw and give back at random: nothing is lost, and the limit is never passed. */
    @Test
    void nothingIsLostUnderLoad() throws Exception {
        CountDownLatch done = new CountDownLatch(8 * 2000);
        ExecutorService others = Executors.newFixedThreadPool(2);
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 8; t++) {
            Random random = new Random(t);
            threads.add(new Thread(() -> {
                for (int i = 0; i < 2000; i++) {
                    Map<Device, Long> bytes = random.nextBoolean() ? Map.of(A, 1L + random.nextInt(10))
                            : Map.of(A, 1L + random.nextInt(5), B, 1L + random.nextInt(10));
                    DeviceBudget.Waiter waiter = waiter(reservation -> others.execute(() -> {
                        reservation.leave();
                        done.countDown();
                    }));
                    Reservation taken = budget.takeOrWait(bytes, waiter);
                    if (taken != null) {
                        others.execute(() -> {
                            taken.leave();
                            done.countDown();
                        });
                    } else if (random.nextInt(3) == 0 && budget.withdraw(waiter)) {
                        done.countDown();
                    }
                }
            }));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        assertTrue(done.await(30, TimeUnit.SECONDS), done.getCount() + " were forgotten");
        others.shutdown();
        assertEquals(Map.of(A, 0L, B, 0L), budget.used());
        assertTrue(budget.peaks().values().stream().allMatch(peak -> peak <= 10));
    }
}

// What the JVM does with files, processes, threads, signals of its own (null checks, safepoints, stack overflow) and memory.
import java.io.*;
import java.lang.ref.WeakReference;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;

public class Session {
    interface Case { Object run() throws Exception; }

    static void one(String name, Case body) {
        Object result;
        try { result = body.run(); } catch (Throwable e) { result = "failed " + e; }
        System.out.println("== " + name + "\n" + result);
    }

    static int depth(int n) { return depth(n + 1) + 1; }

    static String text(Process p) throws Exception { return new String(p.getInputStream().readAllBytes()) + p.waitFor(); }

    static Object sockets() throws Exception {
        Path where = Path.of("/work/java.sock");
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(where));
            var seen = new CompletableFuture<String>();
            new Thread(() -> { try (var c = server.accept()) { c.write(ByteBuffer.wrap("hi".getBytes())); } catch (IOException e) { seen.completeExceptionally(e); } }).start();
            try (var c = SocketChannel.open(UnixDomainSocketAddress.of(where))) { var b = ByteBuffer.allocate(10); c.read(b); return new String(b.array(), 0, 2) + c.getRemoteAddress() + server.getLocalAddress(); }
        }
    }

    static Object watch(Path dir) throws Exception {
        try (var service = FileSystems.getDefault().newWatchService()) {
            dir.register(service, StandardWatchEventKinds.ENTRY_CREATE);
            Files.writeString(dir.resolve("seen"), "x");
            return service.poll(20, TimeUnit.SECONDS).pollEvents().get(0).context();
        }
    }

    public static void main(String[] args) throws Exception {
        Path work = Path.of("/work");
        one("files", () -> { Path f = work.resolve("jf"); Files.writeString(f, "text"); Files.createSymbolicLink(work.resolve("jl"), f); Files.createLink(work.resolve("jh"), f); return List.of(Files.readString(work.resolve("jl")), Files.readSymbolicLink(work.resolve("jl")), work.resolve("jl").toRealPath(), Files.getAttribute(f, "unix:nlink"), PosixFilePermissions.toString(Files.getPosixFilePermissions(f))); });
        one("walk", () -> { try (Stream<Path> s = Files.walk(Path.of("/usr/share/doc"))) { return s.count(); } });
        one("errors", () -> Stream.of("/nowhere", "/work/jf/x", "/root/x").map(p -> { try { Files.readString(Path.of(p)); return "read"; } catch (IOException e) { return e.getClass().getSimpleName(); } }).collect(Collectors.toList()));
        one("move, copy, delete", () -> { Path d = Files.createTempDirectory(work, "d"); Files.copy(work.resolve("jf"), d.resolve("c")); Files.move(d.resolve("c"), d.resolve("m"), StandardCopyOption.ATOMIC_MOVE); Files.delete(d.resolve("m")); Files.delete(d); return Files.exists(d); });
        one("mapped file", () -> { try (var c = FileChannel.open(work.resolve("map"), StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) { var m = c.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 20); m.putLong(1000, 42); m.force(); return m.getLong(1000) + " " + c.size(); } });
        one("lock", () -> { try (var c = FileChannel.open(work.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE); var l = c.lock()) { return l.isValid(); } });
        one("process", () -> text(new ProcessBuilder("sh", "-c", "pwd; echo $X; exit 3").directory(new File("/usr")).redirectErrorStream(true).start()));
        one("no such program", () -> { try { return text(new ProcessBuilder("/nowhere/x").start()); } catch (IOException e) { return e.getMessage().replaceAll(".*error=", ""); } });
        one("processes of many threads", () -> { var pool = Executors.newFixedThreadPool(8); var sum = new AtomicInteger(); for (int i = 0; i < 60; i++) { int n = i; pool.submit(() -> { sum.addAndGet(new ProcessBuilder("sh", "-c", "exit " + n).start().waitFor()); return 0; }); } pool.shutdown(); pool.awaitTermination(60, TimeUnit.SECONDS); return sum; });
        one("destroyed process", () -> { var p = new ProcessBuilder("sleep", "60").start(); p.destroy(); return p.waitFor(); });
        one("null checks", () -> { int caught = 0; Object[] all = new Object[1000]; for (int round = 0; round < 200; round++) for (Object o : all) try { o.hashCode(); } catch (NullPointerException e) { caught++; } return caught; });
        one("stack overflow", () -> { int caught = 0; for (int i = 0; i < 5; i++) try { depth(0); } catch (StackOverflowError e) { caught++; } return caught; });
        one("stack overflow in threads", () -> { var caught = new AtomicInteger(); var ts = IntStream.range(0, 4).mapToObj(i -> new Thread(() -> { try { depth(0); } catch (StackOverflowError e) { caught.incrementAndGet(); } })).collect(Collectors.toList()); ts.forEach(Thread::start); for (var t : ts) t.join(); return caught; });
        one("threads", () -> { var sum = new LongAdder(); var ts = IntStream.range(0, 200).mapToObj(i -> new Thread(() -> { for (int k = 0; k < 50; k++) { sum.add(new File("/etc/passwd").exists() ? 1 : 0); } })).collect(Collectors.toList()); ts.forEach(Thread::start); for (var t : ts) t.join(); return sum; });
        one("garbage and safepoints", () -> { var w = new WeakReference<>(new byte[1000]); long n = 0; for (int i = 0; i < 200000; i++) n += new byte[1000].length; System.gc(); return n + " " + (w.get() == null); });
        one("interrupt", () -> { var r = new CompletableFuture<String>(); var t = new Thread(() -> { try { Thread.sleep(60000); r.complete("slept"); } catch (InterruptedException e) { r.complete("interrupted"); } }); t.start(); t.interrupt(); return r.get(); });
        one("unix sockets", Session::sockets);
        one("tcp", () -> { try (var s = new ServerSocket(0)) { var t = new Thread(() -> { try (var c = new Socket("127.0.0.1", s.getLocalPort())) { c.getOutputStream().write(7); } catch (IOException e) { throw new UncheckedIOException(e); } }); t.start(); try (var c = s.accept()) { return c.getInputStream().read(); } } });
        one("watch service", () -> watch(Files.createTempDirectory(work, "w")));
        one("properties", () -> List.of(System.getProperty("user.dir"), System.getProperty("java.home"), System.getProperty("java.io.tmpdir"), ProcessHandle.current().info().command().orElse("?")));
        one("division and arrays", () -> { int c = 0; for (int i = 0; i < 1000; i++) { try { c += 1 / (i % 1); } catch (ArithmeticException e) { c++; } try { c += new int[1][0].length; } catch (RuntimeException e) { c += 2; } } return c; });
    }
}

package io.torchferry.cli;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** The other programs that take part in a benchmark. */
final class BenchPeers implements AutoCloseable {
    private final TorchPeer.Found python;
    private final Map<String, PeerProcess> others = new LinkedHashMap<>();

    private BenchPeers(TorchPeer.Found python) {
        this.python = python;
    }

    /**
     * Starts them.
     *
     * @param interpreter the Python to use, or null
     * @param commands shell command by the contender's name
     * @throws IOException when one of the commands does not start as a peer
     */
    static BenchPeers start(String interpreter, Map<String, String> commands) throws IOException {
        BenchPeers peers = new BenchPeers(TorchPeer.start(interpreter));
        try {
            for (Map.Entry<String, String> command : commands.entrySet()) {
                PeerProcess peer = PeerProcess.start("sh", "-c", command.getValue());
                peers.others.put(command.getKey(), peer);
                peer.greet();
            }
            return peers;
        } catch (IOException e) {
            peers.close();
            throw new IOException("--peer: " + e.getMessage(), e);
        }
    }

    /** Python with PyTorch, or why there is none. */
    TorchPeer.Found python() {
        return python;
    }

    /** Python with PyTorch; throws the reason when there is none. */
    TorchPeer torch() throws IOException {
        Optional<TorchPeer> peer = python.peer();
        return peer.orElseThrow(() -> new IOException(python.reason()));
    }

    /** Programs named with {@code --peer}, by their contender's name. They load TorchScript files. */
    Map<String, PeerProcess> others() {
        return others;
    }

    @Override
    public void close() {
        python.peer().ifPresent(TorchPeer::close);
        others.values().forEach(PeerProcess::close);
    }
}

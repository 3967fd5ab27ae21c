package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a training program saved with real PyTorch, as an application reads it: options, optimizers, random states.
 * {@link InteropTest} compares the same files value by value. Skipped where there is no PyTorch.
 */
class TrainingCheckpointTest {
    private static InteropCases cases;

    @BeforeAll
    static void makeCases() throws Exception {
        cases = InteropPython.cases();
    }

    private static Checkpoint open(String name) throws IOException {
        return Checkpoint.open(cases.named(name).file());
    }

    @ParameterizedTest
    @ValueSource(strings = {"training_full", "training_full_legacy"})
    void numbersAndOptions(String name) throws IOException {
        try (Checkpoint file = open(name)) {
            Value root = file.root();
            assertEquals(7, root.get("epoch").asInt());
            assertEquals(1234, root.get("global_step").asLong());
            assertEquals(76.25, root.get("best_acc1").asDouble());
            assertEquals(0.5, root.get("loss").asDouble());
            assertTrue(root.get("improved").asBoolean());
            assertEquals(List.of(1.5, 1.0, 0.5),
                    root.get("history", "loss").asList().stream().map(Value::asDouble).toList());
            assertEquals(List.of("cat", "dog"),
                    root.get("classes").asList().stream().map(Value::asString).toList());
            assertEquals(Set.of(1, 3), new HashSet<>(root.get("seen").asList().stream().map(Value::asInt).toList()));
            ArrayValue confusion = root.get("confusion").asArray();
            assertArrayEquals(new long[] {2, 3}, confusion.shape());
            assertArrayEquals(new long[] {0, 1, 2, 3, 4, 5}, confusion.toLongArray());
            Value args = root.get("args");
            assertEquals("argparse.Namespace", ((ObjectValue) args).className());
            assertEquals(0.01, args.get("lr").asDouble());
            assertEquals("resnet50", args.get("arch").asString());
            assertTrue(args.get("resume").isNone());
            assertFalse(args.get("distributed").asBoolean());
            assertEquals(60, args.get("milestones", "1").asInt());
            ObjectValue output = (ObjectValue) args.get("output");
            assertEquals(List.of("runs", "1"), output.arguments().stream().map(Value::asString).toList());
            ObjectValue stage = (ObjectValue) args.get("stage");
            assertEquals("decay", stage.arguments().get(0).asString());
            assertTrue(file.opaqueGlobals().contains("argparse.Namespace"), file.opaqueGlobals().toString());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"training_full", "training_full_legacy"})
    void optimizerSchedulerAndScaler(String name) throws IOException {
        try (Checkpoint file = open(name)) {
            Value optimizer = file.value("optimizer");
            assertEquals(6, optimizer.get("state").asDict().size());
            TensorInfo average = optimizer.get("state").asDict().get(4).get("exp_avg").asTensor();
            assertEquals(average, optimizer.get("state", "4", "exp_avg").asTensor());
            assertArrayEquals(new long[] {2, 3}, average.shape());
            List<Value> groups = optimizer.get("param_groups").asList();
            assertEquals("head", groups.get(1).get("name").asString());
            assertEquals(List.of(4, 5), groups.get(1).get("params").asList().stream().map(Value::asInt).toList());
            assertEquals(0.95, groups.get(0).get("betas", "1").asDouble());
            try (StateDict state = file.stateDict("optimizer", "state")) {
                assertEquals(3f, state.get("4.step").item());
                assertTrue(state.containsKey("0.exp_avg_sq"), state.toString());
            }
            try (StateDict one = file.stateDict("optimizer", "state", "4")) {
                assertEquals(Set.of("step", "exp_avg", "exp_avg_sq"), one.keySet());
            }
            assertEquals(10, file.value("scheduler", "total_steps").asInt());
            assertEquals(1024.0, file.value("scaler", "scale").asDouble());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"training_full", "training_full_legacy"})
    void randomStates(String name) throws IOException {
        try (Checkpoint file = open(name); StateDict tensors = file.stateDict("rng")) {
            Value rng = file.value("rng");
            List<Value> python = rng.get("python").asList();
            assertEquals(3, python.get(0).asInt());
            assertEquals(625, python.get(1).asList().size());
            assertTrue(python.get(2).isNone());
            assertEquals(longs(rng.get("expected", "python")), longs(python.get(1)).subList(0, 3));
            List<Value> numpy = rng.get("numpy").asList();
            assertEquals("MT19937", numpy.get(0).asString());
            ArrayValue state = numpy.get(1).asArray();
            assertEquals("<u4", state.dtype());
            assertArrayEquals(new long[] {624}, state.shape());
            assertEquals(longs(rng.get("expected", "numpy")),
                    Arrays.stream(state.toLongArray()).limit(3).boxed().toList());
            assertEquals(DType.UINT8, rng.get("torch").asTensor().dtype());
            java.nio.ByteBuffer torch = tensors.get("torch").asByteBuffer();
            List<Long> expected = longs(rng.get("expected", "torch"));
            for (int i = 0; i < expected.size(); i++) {
                assertEquals(expected.get(i), torch.get(i) & 0xFF);
            }
            assertEquals(0, rng.get("cuda").asList().size());
        }
    }

    private static List<Long> longs(Value list) {
        return list.asList().stream().map(Value::asLong).toList();
    }

    @Test
    void modelsAreFound() throws IOException {
        try (Checkpoint file = open("training_full"); StateDict model = file.stateDict("state_dict");
                StateDict shadow = file.stateDict("ema", "shadow")) {
            assertEquals(model.keySet(), shadow.keySet());
            assertEquals(List.of(new StateDictPlace(List.of("state_dict"), model.size()),
                    new StateDictPlace(List.of("ema", "shadow"), shadow.size())), file.stateDictPlaces());
            assertEquals(2, model.metadata().orElseThrow().get("1"));
        }
    }

    @Test
    void lightningsKeys() throws IOException {
        try (Checkpoint file = open("training_lightning"); StateDict model = file.stateDict("state_dict")) {
            Value root = file.root();
            assertEquals("2.5.0", root.get("pytorch-lightning_version").asString());
            assertEquals(8, root.get("loops", "fit_loop", "epoch_progress", "total", "ready").asInt());
            Value callback = root.get("callbacks", "ModelCheckpoint{'monitor': 'val_loss', 'mode': 'min'}");
            assertEquals(0, callback.get("best_model_score").asTensor().shape().length);
            assertTrue(callback.get("best_k_models").asDict().containsKey("runs/epoch=6.ckpt"));
            Value options = root.get("hyper_parameters");
            assertEquals(0.01, options.get("lr").asDouble());
            assertEquals(3, options.get("layers", "1").asInt());
            assertEquals(0.95, root.get("optimizer_states", "0", "param_groups", "0", "betas", "1").asDouble());
            assertEquals(List.of(List.of("state_dict")),
                    file.stateDictPlaces().stream().map(StateDictPlace::path).limit(1).toList());
            try (StateDict bare = model.subset("model")) {
                assertTrue(bare.containsKey("0.weight"), bare.toString());
                assertEquals(model.size(), bare.size());
            }
        }
    }

    /** {@code consume_prefix_in_state_dict_if_present} moves stripped entries to the end; here they keep their place. */
    @Test
    void aStrippedPrefixIsAsInPyTorch() throws IOException {
        try (Checkpoint wrapped = open("training_wrapped"); Checkpoint consumed = open("training_consumed");
                StateDict dict = wrapped.stateDict(); StateDict theirs = consumed.stateDict();
                StateDict ours = dict.withPrefixStripped("module.")) {
            assertEquals(theirs.keySet(), ours.keySet());
            assertEquals(theirs.metadata(), ours.metadata());
            for (String key : theirs.keySet()) {
                assertTrue(theirs.get(key).equalsBitwise(ours.get(key)), key);
            }
        }
    }
}

package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.Quantization;
import io.torchferry.StateDictPlace;
import io.torchferry.TensorInfo;
import io.torchferry.UnsupportedCheckpointException;
import io.torchferry.Value;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/** What {@code inspect --json} prints for a file. Part of the command line's contract: members are only ever added. */
final class InspectJson {
    private InspectJson() {}

    static String of(Path file, Checkpoint checkpoint, boolean values) throws IOException {
        List<TensorInfo> tensors = checkpoint.tensors();
        JsonWriter json = new JsonWriter().beginObject();
        json.field("file", file.toString()).field("format", checkpoint.format().toString());
        json.field("size", checkpoint.size()).field("locations", checkpoint.savedLocations());
        if (checkpoint.saveCount() > 1) {
            json.field("saves", checkpoint.saveCount());
        }
        json.name("tensors").beginArray();
        for (TensorInfo tensor : tensors) {
            json.beginObject();
            common(json, tensor);
            details(json, tensor);
            json.endObject();
        }
        json.endArray();
        Storages storages = Storages.of(tensors);
        json.name("storages").beginObject().field("count", storages.count()).field("nbytes", storages.nbytes());
        json.name("shared").beginArray();
        for (Storages.Shared shared : storages.shared()) {
            json.beginObject().field("storage", shared.index()).field("nbytes", shared.nbytes());
            json.field("keys", shared.keys()).endObject();
        }
        json.endArray().endObject();
        json.name("state_dicts").beginArray();
        for (StateDictPlace place : checkpoint.stateDictPlaces()) {
            json.beginObject().field("path", place.path()).field("tensors", place.tensors()).endObject();
        }
        json.endArray();
        json.field("opaque_globals", checkpoint.opaqueGlobals());
        if (values) {
            content(json, checkpoint);
        }
        return json.endObject().toString();
    }

    /** A container that contains itself has no form here; the tensors do. */
    private static void content(JsonWriter json, Checkpoint checkpoint) throws IOException {
        Value root;
        try {
            root = checkpoint.root();
        } catch (UnsupportedCheckpointException e) {
            json.field("content_problem", e.getMessage());
            return;
        }
        json.name("content");
        ValueJson.write(json, root);
    }

    private static void common(JsonWriter json, TensorInfo tensor) {
        json.field("key", tensor.key()).field("dtype", tensor.dtype().torchName()).field("shape", tensor.shape());
        json.field("stride", tensor.stride()).field("location", tensor.location());
    }

    private static void details(JsonWriter json, TensorInfo tensor) {
        json.field("nbytes", tensor.nbytes()).field("layout", tensor.layout().toString());
        json.field("requires_grad", tensor.requiresGrad()).field("parameter", tensor.isParameter());
        if (tensor.storageIndex() >= 0) {
            json.field("storage", tensor.storageIndex()).field("storage_key", tensor.storageKey());
            json.field("storage_offset", tensor.storageOffset()).field("storage_nbytes", tensor.storageBytes());
        }
        tensor.file().ifPresent(file -> json.field("stored_in", file));
        if (tensor.fileOffset().isPresent()) {
            json.field("file_offset", tensor.fileOffset().getAsLong());
        }
        if (tensor.isConj()) {
            json.field("conj", true);
        }
        if (tensor.isNeg()) {
            json.field("neg", true);
        }
        tensor.quantization().ifPresent(quantization -> quantization(json, quantization));
        if (!tensor.parts().isEmpty()) {
            json.field("parts", tensor.parts().stream()
                    .map(part -> part.dtype() + Units.shape(part.shape())).collect(Collectors.toList()));
        }
        tensor.unsupportedReason().ifPresent(reason -> json.field("unsupported", reason));
    }

    private static void quantization(JsonWriter json, Quantization quantization) {
        json.name("quantization").beginObject().field("scheme", quantization.scheme().toString());
        if (quantization.scheme() == Quantization.Scheme.PER_TENSOR_AFFINE) {
            json.field("scale", quantization.scale()).field("zero_point", quantization.zeroPoint());
        } else {
            json.field("axis", quantization.axis());
        }
        json.endObject();
    }
}

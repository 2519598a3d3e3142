package org.json;

public class JSONObject {
    /** Escapes what a test's messages hold; Android's also escapes what JSON needn't. */
    public static String quote(String text) {
        String escaped = text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        return '"' + escaped + '"';
    }
}

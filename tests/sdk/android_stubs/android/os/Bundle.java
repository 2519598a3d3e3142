package android.os;

import java.util.HashMap;
import java.util.Map;

public final class Bundle {
    public final Map<String, Object> values = new HashMap<>();

    public String getString(String key) {
        return (String) values.get(key);
    }
}

package android.content;

import android.net.Uri;
import android.os.Bundle;
import android.os.Parcelable;

public class Intent implements Parcelable {
    public static final String ACTION_BATTERY_CHANGED = "android.intent.action.BATTERY_CHANGED";
    public static final String ACTION_CHOOSER = "android.intent.action.CHOOSER";
    public static final String ACTION_MAIN = "android.intent.action.MAIN";
    public static final String ACTION_SEND = "android.intent.action.SEND";
    public static final String EXTRA_STREAM = "android.intent.extra.STREAM";
    public static final int FLAG_GRANT_READ_URI_PERMISSION = 1;

    public String action;
    public String type;
    public Uri data;
    public Class<?> target;
    public Intent offered;
    public CharSequence title;
    public Parcelable stream;
    public ClipData clip;
    public int flags;
    private final Bundle extras = new Bundle();

    public Intent() {}

    public Intent(String action) {
        this.action = action;
    }

    public Intent(String action, Uri uri) {
        this(action);
        data = uri;
    }

    public Intent(Context context, Class<?> target) {
        this.target = target;
    }

    public static Intent createChooser(Intent offered, CharSequence title) {
        Intent chooser = new Intent(ACTION_CHOOSER);
        chooser.offered = offered;
        chooser.title = title;
        return chooser;
    }

    public Intent setType(String type) {
        this.type = type;
        return this;
    }

    public Intent addFlags(int flags) {
        this.flags |= flags;
        return this;
    }

    public void setClipData(ClipData clip) {
        this.clip = clip;
    }

    public Intent putExtra(String name, Parcelable value) {
        stream = EXTRA_STREAM.equals(name) ? value : stream;
        return this;
    }

    public Intent putExtra(String name, String value) {
        extras.values.put(name, value);
        return this;
    }

    public Intent putExtra(String name, int value) {
        extras.values.put(name, value);
        return this;
    }

    public Intent putExtra(String name, boolean value) {
        extras.values.put(name, value);
        return this;
    }

    public int getIntExtra(String name, int defaultValue) {
        return (Integer) extras.values.getOrDefault(name, defaultValue);
    }

    public boolean getBooleanExtra(String name, boolean defaultValue) {
        return (Boolean) extras.values.getOrDefault(name, defaultValue);
    }

    public Bundle getExtras() {
        return extras;
    }
}

package androidx.core.content;

import android.content.Context;
import android.net.Uri;
import java.io.File;

public class FileProvider {
    /** Knows what shared_paths.xml opens: the folder `shared` of the cache. */
    public static Uri getUriForFile(Context context, String authority, File file) {
        if (!authority.equals(context.getPackageName() + ".files")) {
            throw new IllegalArgumentException("Couldn't find meta-data for provider " + authority);
        }
        if (!file.getParentFile().equals(new File(context.getCacheDir(), "shared"))) {
            throw new IllegalArgumentException("Failed to find configured root that has " + file);
        }
        return Uri.parse("content://" + authority + "/shared/" + file.getName());
    }
}

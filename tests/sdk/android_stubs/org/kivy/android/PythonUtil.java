package org.kivy.android;

import java.io.File;

public class PythonUtil {
    /** Here ends what a desktop can do: Python is in the process already. */
    public static void loadLibraries(File files, File libraries) {
        throw new UnsatisfiedLinkError("libpython");
    }
}

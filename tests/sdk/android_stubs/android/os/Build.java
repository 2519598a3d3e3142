package android.os;

public class Build {
    public static String MODEL = "Pixel 8";

    public static class VERSION {
        public static int SDK_INT = 34; // final on a phone
        public static String RELEASE = "14";
    }

    public static class VERSION_CODES {
        public static final int O = 26;
    }
}

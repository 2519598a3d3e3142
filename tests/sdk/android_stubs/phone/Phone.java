package phone;

import android.app.Activity;
import android.app.Notification;
import android.app.NotificationChannel;
import android.content.Intent;
import android.content.SharedPreferences;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What the tests make the phone do, and what it saw. Not a part of Android. */
public class Phone {
    public static int mode;
    public static boolean hasUnprocessed;
    public static boolean grantsFloat;
    public static boolean isSilenced;
    public static String refusal;

    public static int requestedSource;
    public static int requestedEncoding;
    public static int open;
    public static ByteBuffer lastBuffer;
    public static String stack;
    public static int foregroundId;
    public static int foregroundType;
    public static Notification notification;
    public static NotificationChannel channel;

    public static String folder; // of the app's data
    public static int uiMode;
    public static int windowFlags;
    public static int refusals; // of the microphone, by the person
    public static String answers; // to the next questions: y, n, or - for a dialog put away
    public static List<String> asked;
    public static SharedPreferences preferences;
    public static Intent battery;
    public static Intent shown;
    public static Intent service;
    public static int stopped;
    public static int killed;

    private static Runnable question;
    private static Thread uiThread;
    private static Set<Integer> rates;
    private static Set<String> permissions;
    private static ArrayDeque<String> acts;

    /** A phone of Android 14 that grants everything at 8 kHz and has nothing to hear. */
    public static void reset() {
        android.os.Build.VERSION.SDK_INT = 34;
        org.kivy.android.PythonActivity.mActivity = new org.kivy.android.PythonActivity();
        org.kivy.android.PythonService.mService = null;
        mode = 0;
        hasUnprocessed = grantsFloat = true;
        isSilenced = false;
        refusal = null;
        requestedSource = requestedEncoding = open = foregroundId = foregroundType = 0;
        lastBuffer = null;
        stack = null;
        notification = null;
        channel = null;
        folder = answers = "";
        uiMode = windowFlags = refusals = stopped = killed = 0;
        asked = new ArrayList<>();
        preferences = new SharedPreferences();
        battery = shown = service = null;
        rates = new HashSet<>(Arrays.asList(8000, 16000, 48000));
        permissions = new HashSet<>();
        grant("RECORD_AUDIO");
        grant("FOREGROUND_SERVICE");
        grant("FOREGROUND_SERVICE_MICROPHONE");
        acts = new ArrayDeque<>();
    }

    public static void grantRates(List<Integer> those) {
        rates = new HashSet<>(those);
    }

    public static void startService() {
        org.kivy.android.PythonActivity.mActivity = null;
        org.kivy.android.PythonService.mService = new org.kivy.android.PythonService();
    }

    public static void grant(String permission) {
        permissions.add("android.permission." + permission);
    }

    public static void revoke(String permission) {
        permissions.remove("android.permission." + permission);
    }

    /** Ask as Android does: twice at most, then it refuses without a question. */
    public static void ask(Activity activity, String[] permissions, int requestCode) {
        asked.addAll(Arrays.asList(permissions));
        int[] results = new int[permissions.length];
        char answer = refusals >= 2 || answers.isEmpty() ? 'n' : answers.charAt(0);
        answers = answers.isEmpty() ? "" : answers.substring(1);
        refusals += answer == 'n' ? 1 : 0;
        for (int i = 0; i < permissions.length; i++) {
            if (answer == 'y') {
                Phone.permissions.add(permissions[i]);
            }
            results[i] = answer == 'y' ? 0 : -1;
        }
        boolean isPutAway = answer == '-';
        question =
                () ->
                        activity.onRequestPermissionsResult(
                                requestCode,
                                isPutAway ? new String[0] : permissions,
                                isPutAway ? new int[0] : results);
    }

    /** What was asked last is answered only now: on a phone the person takes a while. */
    public static void answer() {
        inUiThread(question);
    }

    public static void inUiThread(Runnable work) {
        uiThread = new Thread(work, "main");
        uiThread.start();
        try {
            uiThread.join();
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    public static void onlyInUiThread() {
        if (Thread.currentThread() != uiThread) {
            throw new IllegalStateException(
                    "Only the original thread that created a view hierarchy can touch its views");
        }
    }

    /** What the next opening plays: steps with a comma between, see `AudioRecord.step`. */
    public static void play(String act) {
        acts.add(act);
    }

    public static boolean grantsRate(int rateHz) {
        return rates.contains(rateHz);
    }

    public static boolean isGranted(String permission) {
        return permissions.contains(permission);
    }

    public static String nextAct() {
        return acts.poll();
    }

    /** The number of bytes in the last buffer read into that aren't zero. */
    public static int leftBehind() {
        int left = 0;
        for (int i = 0; i < lastBuffer.capacity(); i++) {
            left += lastBuffer.get(i) == 0 ? 0 : 1;
        }
        return left;
    }
}

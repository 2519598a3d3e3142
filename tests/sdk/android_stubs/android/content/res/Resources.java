package android.content.res;

public class Resources {
    public Configuration getConfiguration() {
        return new Configuration();
    }

    public int getIdentifier(String name, String type, String packageName) {
        return 0;
    }
}

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A client of the web door with the JDK alone, from 17 on; its certificate is RSA, as the JDK knows no secp256k1.
 *
 * java Client.java answer HOST:PORT CERTS TOPIC REPLY    answers one request
 * java Client.java ask    HOST:PORT CERTS TOPIC DATA     publishes to one subscriber and prints its answer
 *
 * CERTS is a directory with ca.crt, sdk.crt and sdk.key.
 */
public class Client implements WebSocket.Listener {
    private final boolean answers;
    private final String text;
    private final CompletableFuture<Integer> end = new CompletableFuture<>();
    private final StringBuilder frame = new StringBuilder();

    private Client(boolean answers, String text) {
        this.answers = answers;
        this.text = text;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 5) {
            System.err.println("usage: java Client.java answer|ask HOST:PORT CERTS TOPIC TEXT");
            System.exit(64);
        }
        boolean answers = arguments[0].equals("answer");
        Client client = new Client(answers, arguments[4]);
        // Certificates of nodes hold no host name; the chain is checked all the same.
        System.setProperty("jdk.internal.httpclient.disableHostnameVerification", "true");
        HttpClient http = HttpClient.newBuilder().sslContext(tls(Path.of(arguments[2]))).build();
        URI node = URI.create("wss://" + arguments[1] + "/v1/socket");
        WebSocket socket = http.newWebSocketBuilder().buildAsync(node, client).get();
        String topic = quoted(arguments[3]);
        String first = answers
                ? "{\"type\":\"subscribe\",\"id\":1,\"topics\":[" + topic + "]}"
                : "{\"type\":\"publish\",\"id\":1,\"topic\":" + topic + ",\"data\":" + quoted(client.text) + "}";
        socket.sendText(first, true).get();
        int code = client.end.get();
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get();
        System.exit(code);
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean isLast) {
        frame.append(part);
        if (isLast) {
            handle(socket, frame.toString());
            frame.setLength(0);
        }
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        System.err.println("closed: " + code + " " + reason);
        end.complete(1);
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        end.completeExceptionally(error);
    }

    private void handle(WebSocket socket, String said) {
        if (field(said, "type").equals("request")) {
            System.out.println("asked: " + field(said, "data"));
            socket.sendText("{\"type\":\"respond\",\"id\":2,\"request\":" + quoted(field(said, "request")) + ",\"data\":"
                    + quoted(text) + "}", true);
        } else if (!field(said, "code").equals("0")) {
            System.err.println(field(said, "word") + ": " + field(said, "message"));
            end.complete(1);
        } else if (answers && field(said, "id").equals("1")) {
            System.out.println("subscribed");
        } else {
            if (!answers) {
                System.out.println("answered: " + field(said, "data"));
            }
            end.complete(0);
        }
    }

    /** A field of a flat object. The JDK reads no JSON: a program of yours has a library for it. */
    private static String field(String object, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":(?:\"((?:[^\"\\\\]|\\\\.)*)\"|([^,}]*))").matcher(object);
        if (!found.find()) {
            return "";
        }
        return found.group(1) == null ? found.group(2) : found.group(1).replaceAll("\\\\(.)", "$1");
    }

    private static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    private static SSLContext tls(Path certs) throws Exception {
        CertificateFactory x509 = CertificateFactory.getInstance("X.509");
        char[] none = new char[0];
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, none);
        try (var file = Files.newInputStream(certs.resolve("sdk.crt"))) {
            Certificate[] chain = x509.generateCertificates(file).toArray(new Certificate[0]);
            String pem = Files.readString(certs.resolve("sdk.key")).replaceAll("-----[^-]+-----|\\s", "");
            var key = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
            own.setKeyEntry("own", key, none, chain);
        }
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, none);
        // An authority on a curve that the JDK does not know is of no use to it, and may be there for others.
        Matcher each = Pattern.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
                .matcher(Files.readString(certs.resolve("ca.crt")));
        for (int number = 0; each.find(); number++) {
            try {
                var one = new java.io.ByteArrayInputStream(each.group().getBytes());
                trusted.setCertificateEntry("ca" + number, x509.generateCertificate(one));
            } catch (java.security.cert.CertificateException unknown) {
                System.err.println("left out an authority: " + unknown.getMessage());
            }
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, none);
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }
}

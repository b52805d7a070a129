import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** A client of the channel port with nothing but the JDK: java Handshake.java HOST PORT DIRECTORY */
public class Handshake {
    private static Certificate[] certificates(Path file) throws Exception {
        try (InputStream in = new FileInputStream(file.toFile())) {
            Collection<? extends Certificate> all = CertificateFactory.getInstance("X.509").generateCertificates(in);
            return all.toArray(new Certificate[0]);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[2]);
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        int number = 0;
        for (Certificate one : certificates(directory.resolve("ca.crt"))) {
            trusted.setCertificateEntry("ca" + number++, one);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);

        String pem = Files.readString(directory.resolve("sdk.key")).replaceAll("-----[A-Z ]+-----|\\s", "");
        PKCS8EncodedKeySpec key = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem));
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        Certificate[] chain = certificates(directory.resolve("sdk.crt"));
        String kind = chain[0].getPublicKey().getAlgorithm();
        own.setKeyEntry("sdk", KeyFactory.getInstance(kind).generatePrivate(key), new char[0], chain);
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, new char[0]);

        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        int port = Integer.parseInt(arguments[1]);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(arguments[0], port)) {
            socket.setSoTimeout(10_000);
            socket.startHandshake();
            // A heartbeat of protocol version 1: the body 0 is answered with 1.
            byte[] frame = new byte[43];
            frame[3] = 43;
            frame[5] = 0x13;
            for (int index = 6; index < 38; index++) {
                frame[index] = 'a';
            }
            frame[42] = '0';
            OutputStream out = socket.getOutputStream();
            out.write(frame);
            out.flush();
            byte[] answer = new byte[43];
            new DataInputStream(socket.getInputStream()).readFully(answer);
            if (answer[5] != 0x13 || answer[42] != '1') {
                throw new IllegalStateException("no answer to the heartbeat");
            }
            X509Certificate peer = (X509Certificate) socket.getSession().getPeerCertificates()[0];
            System.out.println(socket.getSession().getProtocol() + " " + socket.getSession().getCipherSuite() + " "
                    + peer.getPublicKey().getAlgorithm());
        }
    }
}

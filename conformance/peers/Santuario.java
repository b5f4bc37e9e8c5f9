// Apache Santuario as a peer: one process, one command a line on standard input, one answer a line.
//
//   verify DOCUMENT CERTIFICATE
//   sign DOCUMENT RESULT KEY CERTIFICATE SIGNATURE CANONICALIZATION DIGEST [ID]
//   decrypt DOCUMENT RESULT KEY
//   encrypt DOCUMENT RESULT CERTIFICATE DATA TRANSPORT DIGEST MGF
//
// Fields are parted by tabs. Keys are PKCS#8 in DER, certificates DER; algorithms are URIs. The
// answer is `yes`, or `no` and why.

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import javax.crypto.KeyGenerator;
import javax.crypto.SecretKey;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.xml.security.Init;
import org.apache.xml.security.encryption.EncryptedData;
import org.apache.xml.security.encryption.EncryptedKey;
import org.apache.xml.security.encryption.XMLCipher;
import org.apache.xml.security.keys.KeyInfo;
import org.apache.xml.security.signature.XMLSignature;
import org.apache.xml.security.transforms.Transforms;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.w3c.dom.Attr;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;

public final class Santuario {
    private static final String DSIG = "http://www.w3.org/2000/09/xmldsig#";
    private static final String XENC = "http://www.w3.org/2001/04/xmlenc#";

    public static void main(String[] arguments) throws Exception {
        // It brings RSA-PSS under the names that Santuario asks for.
        Security.addProvider(new BouncyCastleProvider());
        Init.init();
        BufferedReader commands =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String answer;
            try {
                answer = run(line.split("\t", -1));
            } catch (Exception error) {
                answer = "no " + (error + "").replaceAll("\\s+", " ");
            }
            System.out.println(answer);
            System.out.flush();
        }
    }

    private static String run(String[] f) throws Exception {
        switch (f[0]) {
            case "version":
                return "yes Apache Santuario";
            case "verify":
                return verify(read(f[1]), certificate(f[2]));
            case "sign":
                return sign(f);
            case "decrypt":
                return decrypt(f);
            case "encrypt":
                return encrypt(f);
            default:
                return "no such command";
        }
    }

    private static String verify(Document document, X509Certificate certificate) throws Exception {
        NodeList found = document.getElementsByTagNameNS(DSIG, "Signature");
        if (found.getLength() == 0) {
            return "no signature";
        }
        for (int n = 0; n < found.getLength(); n++) {
            XMLSignature signature = new XMLSignature((Element) found.item(n), "", false);
            if (!signature.checkSignatureValue(certificate.getPublicKey())) {
                return "no it does not hold";
            }
        }
        return "yes";
    }

    private static String sign(String[] f) throws Exception {
        Document document = read(f[1]);
        X509Certificate certificate = certificate(f[4]);
        XMLSignature signature = new XMLSignature(document, "", f[5], f[6]);
        document.getDocumentElement().appendChild(signature.getElement());
        Transforms transforms = new Transforms(document);
        boolean whole = f.length < 9;
        if (whole) {
            transforms.addTransform(Transforms.TRANSFORM_ENVELOPED_SIGNATURE);
        }
        transforms.addTransform(f[6]);
        signature.addDocument(whole ? "" : "#" + f[8], transforms, f[7]);
        signature.addKeyInfo(certificate);
        signature.sign(key(f[3], certificate.getPublicKey().getAlgorithm()));
        write(document, f[2]);
        return "yes";
    }

    private static String decrypt(String[] f) throws Exception {
        Document document = read(f[1]);
        Element data = (Element) document.getElementsByTagNameNS(XENC, "EncryptedData").item(0);
        XMLCipher cipher = XMLCipher.getInstance();
        cipher.init(XMLCipher.DECRYPT_MODE, null);
        cipher.setKEK(key(f[3], "RSA"));
        write(cipher.doFinal(document, data), f[2]);
        return "yes";
    }

    private static String encrypt(String[] f) throws Exception {
        Document document = read(f[1]);
        X509Certificate certificate = certificate(f[3]);
        int bits = f[4].contains("aes256") ? 256 : f[4].contains("aes192") ? 192 : 128;
        KeyGenerator generator = KeyGenerator.getInstance("AES");
        generator.init(bits);
        SecretKey secret = generator.generateKey();
        XMLCipher wrapper = XMLCipher.getInstance(f[5], null, f[6]);
        wrapper.init(XMLCipher.WRAP_MODE, certificate.getPublicKey());
        EncryptedKey wrapped = wrapper.encryptKey(document, secret, f[7].isEmpty() ? null : f[7], null);
        KeyInfo reader = new KeyInfo(document);
        org.apache.xml.security.keys.content.X509Data named =
                new org.apache.xml.security.keys.content.X509Data(document);
        named.addCertificate(certificate);
        reader.add(named);
        wrapped.setKeyInfo(reader);
        XMLCipher cipher = XMLCipher.getInstance(f[4]);
        cipher.init(XMLCipher.ENCRYPT_MODE, secret);
        EncryptedData data = cipher.getEncryptedData();
        KeyInfo info = new KeyInfo(document);
        info.add(wrapped);
        data.setKeyInfo(info);
        write(cipher.doFinal(document, document.getDocumentElement(), false), f[2]);
        return "yes";
    }

    private static Document read(String path) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document = factory.newDocumentBuilder().parse(new File(path));
        identify(document.getDocumentElement());
        return document;
    }

    /** Without a DTD nobody tells the parser which attributes identify elements. */
    private static void identify(Element element) {
        Attr id = element.getAttributeNodeNS(null, "Id");
        if (id != null) {
            element.setIdAttributeNode(id, true);
        }
        for (Node child = element.getFirstChild(); child != null; child = child.getNextSibling()) {
            if (child instanceof Element) {
                identify((Element) child);
            }
        }
    }

    private static X509Certificate certificate(String path) throws Exception {
        byte[] octets = Files.readAllBytes(Path.of(path));
        return (X509Certificate)
                CertificateFactory.getInstance("X.509")
                        .generateCertificate(new ByteArrayInputStream(octets));
    }

    private static PrivateKey key(String path, String algorithm) throws Exception {
        return KeyFactory.getInstance(algorithm)
                .generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(path))));
    }

    private static void write(Document document, String path) throws Exception {
        // Canonical form, so that nothing of the serialisation is left to chance.
        try (OutputStream out = new FileOutputStream(path)) {
            org.apache.xml.security.utils.XMLUtils.outputDOMc14nWithComments(document, out);
        }
    }
}

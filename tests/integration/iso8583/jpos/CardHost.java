import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import org.jpos.iso.ISOException;
import org.jpos.iso.ISOMsg;
import org.jpos.iso.ISORequestListener;
import org.jpos.iso.ISOServer;
import org.jpos.iso.ISOSource;
import org.jpos.iso.channel.PostChannel;
import org.jpos.iso.packager.ISO87APackager;
import org.jpos.util.ThreadPool;

/**
 * A card host on jPOS, so that the gateway is tried against messages that others pack and unpack.
 *
 * <p>It prints the port that it listens on. Amounts that end in 51 are declined with 51, those that
 * end in 95 are approved without an answer, all others are approved. A line "books" on its input is
 * answered with one line per charge (reference, state, amount) and "end"; a line "echo" sends an
 * 0800 to the gateway and prints the response code that comes back. At the end of its input it ends.
 */
public final class CardHost implements ISORequestListener {
    private record Charge(String trace, String transmitted, String state, String amount) {}

    private final Map<String, Charge> charges = new ConcurrentSkipListMap<>();

    public static void main(String[] arguments) throws Exception {
        CardHost host = new CardHost();
        ISOServer server = new ISOServer(0, new PostChannel(new ISO87APackager()), (ThreadPool) null);
        server.addISORequestListener(host);
        server.setSocketFactory(
                ignored -> {
                    ServerSocket socket = new ServerSocket(0);
                    System.out.println("port " + socket.getLocalPort());
                    return socket;
                });
        Thread serving = new Thread(server);
        serving.setDaemon(true);
        serving.start();
        BufferedReader input =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (line.equals("books")) {
                host.charges.forEach(
                        (reference, charge) ->
                                System.out.println(
                                        reference + " " + charge.state + " " + charge.amount));
                System.out.println("end");
            } else if (line.equals("echo")) {
                server.getLastConnectedISOChannel().send(echo());
            }
        }
        System.exit(0);
    }

    @Override
    public boolean process(ISOSource source, ISOMsg message) {
        try {
            if (message.getMTI().equals("0810")) {
                System.out.println("echo " + message.getString(39));
                return true;
            }
            ISOMsg answer = (ISOMsg) message.clone();
            answer.setResponseMTI();
            answer.set(39, decide(message, answer));
            boolean isSilent =
                    message.getMTI().equals("0100") && message.getString(4).endsWith("95");
            if (!isSilent) {
                source.send(answer);
            }
        } catch (Exception error) {
            System.out.println("failed " + error);
        }
        return true;
    }

    private String decide(ISOMsg message, ISOMsg answer) throws ISOException {
        String reference = message.getString(37);
        switch (message.getMTI().substring(0, 3)) {
            case "010":
                String amount = message.getString(4);
                boolean isDeclined = amount.endsWith("51");
                put(reference, message, isDeclined ? "DECLINED" : "HELD");
                if (!isDeclined) {
                    answer.set(38, message.getString(11));
                }
                return isDeclined ? "51" : "00";
            case "022":
                return change(reference, message, "TAKEN");
            case "040", "042":
                return change(reference, message, "RETURNED");
            default:
                return "00";
        }
    }

    /** Books a change, if field 90 names the charge that it is about. */
    private String change(String reference, ISOMsg message, String state) {
        Charge known = charges.get(reference);
        if (known == null) {
            return "25";
        }
        String original = "0100" + known.trace + known.transmitted;
        if (!message.getString(90).startsWith(original) || message.getString(90).length() != 42) {
            return "30";
        }
        charges.put(reference, new Charge(known.trace, known.transmitted, state, known.amount));
        return "00";
    }

    private void put(String reference, ISOMsg message, String state) {
        charges.put(
                reference,
                new Charge(message.getString(11), message.getString(7), state, message.getString(4)));
    }

    private static ISOMsg echo() throws ISOException {
        ISOMsg message = new ISOMsg("0800");
        message.set(7, "0102030405");
        message.set(11, "000001");
        message.set(70, "301");
        return message;
    }
}

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;

import static java.nio.charset.StandardCharsets.UTF_8;

/** A request a line in, an answer a line out, both form-encoded. HTTP/2 is tried first, as always. */
class Client {
    public static void main(String[] args) throws Exception {
        var client = HttpClient.newHttpClient();
        var lines = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line; (line = lines.readLine()) != null;) {
            String answer;
            try {
                answer = send(client, line);
            } catch (Exception error) {
                answer = "&error=" + URLEncoder.encode(error.toString(), UTF_8);
            }
            System.out.println("answer=1" + answer);
        }
    }

    static String send(HttpClient client, String line) throws Exception {
        var method = "";
        var body = BodyPublishers.noBody();
        List<String> headers = new ArrayList<>();
        var request = HttpRequest.newBuilder();
        for (var field : line.split("&")) {
            var parts = field.split("=", 2);
            var value = URLDecoder.decode(parts[1], UTF_8);
            switch (parts[0]) {
                case "method" -> method = value;
                case "url" -> request.uri(URI.create(value));
                case "body" -> body = BodyPublishers.ofString(value);
                default -> headers.add(value);
            }
        }
        if (!headers.isEmpty()) request.headers(headers.toArray(new String[0]));
        var answer = client.send(request.method(method, body).build(), BodyHandlers.ofString());
        var location = answer.headers().firstValue("location");
        return "&status=" + answer.statusCode()
            + location.map(to -> "&location=" + URLEncoder.encode(to, UTF_8)).orElse("")
            + "&body=" + URLEncoder.encode(answer.body(), UTF_8);
    }
}

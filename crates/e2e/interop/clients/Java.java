import com.google.api.client.auth.oauth2.BearerToken;
import com.google.api.client.auth.oauth2.ClientParametersAuthentication;
import com.google.api.client.auth.oauth2.Credential;
import com.google.api.client.http.GenericUrl;
import com.google.api.client.http.javanet.NetHttpTransport;
import com.google.api.client.json.gson.GsonFactory;

/** Renews one token with google-oauth-client-java: Java.java NAME ENDPOINT TOKEN. */
class Java {
    public static void main(String[] given) throws Exception {
        Credential credential = new Credential.Builder(BearerToken.authorizationHeaderAccessMethod())
                .setTransport(new NetHttpTransport())
                .setJsonFactory(GsonFactory.getDefaultInstance())
                .setTokenServerUrl(new GenericUrl(given[1]))
                .setClientAuthentication(new ClientParametersAuthentication("app", null))
                .build();
        if (!credential.setRefreshToken(given[2]).refreshToken()) System.out.print("false");
    }
}

//! Who renews a token.

use crate::Outcome;

pub fn renew(name: &str, endpoint: &str, token: &str) -> Outcome {
    match name {
        "oauth2" => oauth2(endpoint, token),
        "openidconnect" => openidconnect(endpoint, token),
        _ => Err(format!("{name} is not known").into()),
    }
}

fn oauth2(endpoint: &str, token: &str) -> Outcome {
    use oauth2::basic::BasicClient;
    use oauth2::{AuthType, ClientId, RefreshToken, TokenUrl, reqwest};
    let client = BasicClient::new(ClientId::new("app".into()))
        .set_token_uri(TokenUrl::new(endpoint.into())?)
        .set_auth_type(AuthType::RequestBody);
    let token = RefreshToken::new(token.into());
    let request = client.exchange_refresh_token(&token);
    request.request(&reqwest::blocking::Client::new())?;
    Ok(())
}

fn openidconnect(endpoint: &str, token: &str) -> Outcome {
    use openidconnect::core::{CoreClient, CoreJsonWebKeySet};
    use openidconnect::{AuthType, ClientId, IssuerUrl, RefreshToken, TokenUrl, reqwest};
    let issuer = IssuerUrl::new(endpoint.into())?;
    let client = CoreClient::new(
        ClientId::new("app".into()),
        issuer,
        CoreJsonWebKeySet::default(),
    )
    .set_token_uri(TokenUrl::new(endpoint.into())?)
    .set_auth_type(AuthType::RequestBody);
    let token = RefreshToken::new(token.into());
    let request = client.exchange_refresh_token(&token);
    request.request(&reqwest::blocking::Client::new())?;
    Ok(())
}

%% The row of Erlang: reads servers and their tokens as JSON from standard input, and writes who reads which of them.
main([]) ->
    io:setopts(standard_io, [binary, {encoding, latin1}]),
    {ok, _} = application:ensure_all_started(jose),
    Worlds = jiffy:decode(input([]), [return_maps]),
    Row = #{package => <<"erlang-jose">>, name => <<"erlang-jose">>, reads => [reads(World) || World <- Worlds]},
    ok = io:put_chars(jiffy:encode([Row])).

input(Lines) ->
    case io:get_line("") of
        eof -> iolist_to_binary(lists:reverse(Lines));
        Line -> input([Line | Lines])
    end.

%% A whole set of keys is no key here: it needs the one with the `kid`.
reads(#{<<"alg">> := Alg, <<"token">> := Token, <<"key">> := Key, <<"issuer">> := Issuer, <<"audience">> := Audience}) ->
    try
        {true, {jose_jwt, Claims}, _} = jose_jwt:verify_strict(jose_jwk:from_map(Key), [Alg], Token),
        #{<<"iss">> := Issuer, <<"aud">> := Audience} = Claims,
        true
    catch
        Class:Reason ->
            io:format(standard_error, "erlang-jose ~s: ~p ~p~n", [Alg, Class, Reason]),
            false
    end.

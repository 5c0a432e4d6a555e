#include "platform/tls/client_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <limits>

#include "base/check.h"

namespace atrium::tls {
namespace {

template <auto kFree>
struct Free {
    template <class T>
    void operator()(T* object) const {
        kFree(object);
    }
};

std::string last_openssl_error() {
    const unsigned long code = ::ERR_peek_last_error();
    ::ERR_clear_error();
    if (code == 0) return "unknown error";
    const char* reason = ::ERR_reason_error_string(code);
    return reason ? reason : "error " + std::to_string(code);
}

}  // namespace

struct Trust::State {
    std::unique_ptr<SSL_CTX, Free<&::SSL_CTX_free>> context;
};

Trust::Trust(std::unique_ptr<State> state) : state_(std::move(state)) {}
Trust::~Trust() = default;

Result<std::shared_ptr<const Trust>> Trust::load(const std::string& ca_file) {
    auto state = std::make_unique<State>();
    state->context.reset(::SSL_CTX_new(::TLS_client_method()));
    CHECK(state->context);
    SSL_CTX* context = state->context.get();
    ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    // Connections are kept for minutes; a read or write buffer of 16 KiB each need not be.
    ::SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    const int loaded = ca_file.empty() ? ::SSL_CTX_set_default_verify_paths(context)
                                       : ::SSL_CTX_load_verify_file(context, ca_file.c_str());
    if (loaded != 1) {
        const std::string reason = last_openssl_error();
        return fail(invalid_argument("cannot read certificate authorities from '" +
                                     (ca_file.empty() ? "the system's trust store" : ca_file) + "': " + reason));
    }
    return std::shared_ptr<const Trust>(new Trust(std::move(state)));
}

struct ClientSession::State {
    std::shared_ptr<const Trust> trust;
    std::unique_ptr<SSL, Free<&::SSL_free>> ssl;
    BIO* in = nullptr;   ///< owned by ssl
    BIO* out = nullptr;  ///< owned by ssl
};

ClientSession::ClientSession(std::shared_ptr<const Trust> trust, const std::string& host)
    : state_(std::make_unique<State>()), host_(host) {
    state_->ssl.reset(::SSL_new(trust->state_->context.get()));
    CHECK(state_->ssl);
    state_->trust = std::move(trust);
    SSL* ssl = state_->ssl.get();
    state_->in = ::BIO_new(::BIO_s_mem());
    state_->out = ::BIO_new(::BIO_s_mem());
    // An empty input means "wait", not "end".
    BIO_set_mem_eof_return(state_->in, -1);
    ::SSL_set_bio(ssl, state_->in, state_->out);
    ::SSL_set_connect_state(ssl);

    X509_VERIFY_PARAM* expected = ::SSL_get0_param(ssl);
    if (::X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) != 1) {
        ::ERR_clear_error();
        ::SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        CHECK(::SSL_set1_host(ssl, host.c_str()) == 1);
        SSL_set_tlsext_host_name(ssl, host.c_str());
    }
    static constexpr unsigned char kHttp11[] = "\x08http/1.1";
    ::SSL_set_alpn_protos(ssl, kHttp11, sizeof kHttp11 - 1);
}

ClientSession::~ClientSession() = default;

void ClientSession::feed(std::string_view received) {
    if (!received.empty()) ::BIO_write(state_->in, received.data(), static_cast<int>(received.size()));
}

std::string ClientSession::take_output() {
    std::string out(BIO_ctrl_pending(state_->out), '\0');
    if (!out.empty()) ::BIO_read(state_->out, out.data(), static_cast<int>(out.size()));
    return out;
}

ClientSession::Step ClientSession::step(int result, const char* what) {
    if (result > 0) return Step::kDone;
    switch (::SSL_get_error(state_->ssl.get(), result)) {
        case SSL_ERROR_WANT_READ: return Step::kWantInput;
        case SSL_ERROR_ZERO_RETURN: return Step::kClosed;
        default: break;
    }
    const long verdict = ::SSL_get_verify_result(state_->ssl.get());
    problem_ = verdict == X509_V_OK
                   ? std::string(what) + ": " + last_openssl_error()
                   : "the certificate of '" + host_ + "' was refused: " + ::X509_verify_cert_error_string(verdict);
    ::ERR_clear_error();
    return Step::kFailed;
}

ClientSession::Step ClientSession::handshake() {
    ::ERR_clear_error();
    return step(::SSL_do_handshake(state_->ssl.get()), "the TLS handshake failed");
}

ClientSession::Step ClientSession::write(std::string_view plain) {
    if (plain.empty()) return Step::kDone;
    CHECK(plain.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
    ::ERR_clear_error();
    return step(::SSL_write(state_->ssl.get(), plain.data(), static_cast<int>(plain.size())), "TLS write failed");
}

ClientSession::Step ClientSession::read(std::string& plain) {
    char bytes[16 * 1024];
    while (true) {
        ::ERR_clear_error();
        const int n = ::SSL_read(state_->ssl.get(), bytes, sizeof bytes);
        if (n <= 0) return step(n, "TLS read failed");
        plain.append(bytes, static_cast<std::size_t>(n));
    }
}

void ClientSession::close() {
    ::ERR_clear_error();
    if (::SSL_is_init_finished(state_->ssl.get())) ::SSL_shutdown(state_->ssl.get());
}

}  // namespace atrium::tls

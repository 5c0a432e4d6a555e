#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/routing/router.h"
#include "model/upstream/dialect.h"
#include "platform/async/runtime.h"

/// For tests only: an upstream without a network, which says what it was told to say.
namespace atrium::app::testing {

/// One prepared answer: pieces of the body, then the end or `breaks_with`. `error` instead of any of it.
struct Script {
    std::vector<std::string> pieces;
    std::optional<Error> breaks_with = std::nullopt;
    std::optional<Error> error = std::nullopt;
    std::chrono::milliseconds pause{0};  ///< before each piece; ends early when the call is stopped
    bool hangs = false;                  ///< silence after the last piece until the call is stopped
};

class ScriptedResponse final : public http::ClientResponse {
public:
    ScriptedResponse(Script script, StopToken stop, bool& closed)
        : script_(std::move(script)), stop_(std::move(stop)), closed_(closed) {}
    ~ScriptedResponse() override { closed_ = true; }

    int status() const override { return 200; }
    const http::Headers& headers() const override { return headers_; }
    Task<Result<std::string>> read_some() override {
        if (script_.pause.count() > 0) co_await sleep_for(script_.pause, stop_);
        if (stop_.stop_requested()) co_return fail(cancelled("stopped"));
        if (next_ < script_.pieces.size()) co_return script_.pieces[next_++];
        if (script_.breaks_with) co_return fail(*script_.breaks_with);
        if (script_.hangs) {
            co_await sleep_for(std::chrono::seconds(30), stop_);
            co_return fail(cancelled("stopped"));
        }
        co_return std::string();
    }

private:
    Script script_;
    StopToken stop_;
    bool& closed_;
    std::size_t next_ = 0;
    http::Headers headers_;
};

/// Speaks OpenAI. Answers the calls in the order of its scripts (the last one again and again) and remembers them.
class ScriptedUpstream final : public model::Upstream {
public:
    explicit ScriptedUpstream(std::vector<Script> scripts) : scripts_(std::move(scripts)) {}

    const std::string& name() const override { return name_; }
    bool supports(model::Operation /*operation*/) const override { return true; }
    Task<Result<std::unique_ptr<model::UpstreamAnswer>>> call(model::UpstreamCall call, StopToken stop) override {
        const Script script = scripts_[std::min(calls.size(), scripts_.size() - 1)];
        const model::Dialect& dialect = *model::find_dialect("openai");
        CO_TRY_ASSIGN(const auto wire, dialect.encode(call, {}));
        CO_TRY_ASSIGN(auto body, json::parse_object(wire.body));
        bodies.push_back(std::move(body));
        calls.push_back(call);
        closed = false;
        if (script.error) co_return fail(*script.error);
        const StopSource own;
        auto response = std::make_unique<ScriptedResponse>(script, own.get_token(), closed);
        co_return model::read_answer(dialect, name_, std::move(call), std::move(response), std::move(stop), own);
    }

    std::vector<model::UpstreamCall> calls;
    std::vector<json::object> bodies;  ///< as they were sent
    bool closed = false;               ///< the last response has been let go

private:
    const std::string name_ = "scripted";
    std::vector<Script> scripts_;
};

/// A ready route "model-a" (chat) or as given, served under the name "served".
inline model::Route scripted_route(std::shared_ptr<model::Upstream> upstream, std::string id = "model-a",
                                   bool embedding = false) {
    model::Route route;
    route.info.id = std::move(id);
    route.info.owned_by = "atrium";
    route.info.embedding = embedding;
    route.info.ready = true;
    route.info.created = 1'700'000'000;
    if (embedding) {
        route.info.embedding_dimensions = 2;
        route.info.query_prefix = "query: ";
        route.info.passage_prefix = "passage: ";
    }
    route.upstream = std::move(upstream);
    route.upstream_model = "served";
    return route;
}

}  // namespace atrium::app::testing

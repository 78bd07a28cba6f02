#[allow(clippy::async_yields_async, clippy::let_unit_value)]
impl Charge for Gate {
    #[idempotent(key = "{self.shop}:{order.id}", name = "gate.charge")]
    #[allow(clippy::type_complexity)]
    fn charge<'life0, 'life1, 'async_trait>(
        &'life0 self,
        __arg1: Json<Order>,
        note: &'life1 str,
        times: u32,
    ) -> ::core::pin::Pin<
        Box<dyn ::core::future::Future<Output = Result<Receipt, ChargeError>> + ::core::marker::Send + 'async_trait>,
    >
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Result<Receipt, ChargeError>> {
                #[allow(unreachable_code)]
                return __ret;
            }
            let __self = self;
            let Json(order) = {
                let __arg1 = __arg1;
                __arg1
            };
            let times = times;
            let __ret: Result<Receipt, ChargeError> = {
                let order = order;
                gateway::charge(__self, order, note, times).await
            };
            #[allow(unreachable_code)]
            __ret
        })
    }
}

// Expands to:

#[allow(clippy::async_yields_async, clippy::let_unit_value)]
impl Charge for Gate {
    #[allow(clippy::type_complexity)]
    fn charge<'life0, 'life1, 'async_trait>(
        &'life0 self,
        __arg1: Json<Order>,
        note: &'life1 str,
        times: u32,
    ) -> ::core::pin::Pin<
        Box<
            dyn ::core::future::Future<
                Output = Result<Receipt, ChargeError>,
            > + ::core::marker::Send + 'async_trait,
        >,
    >
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Result<Receipt, ChargeError>,
            > {
                #[allow(unreachable_code)] return __ret;
            }
            let __self = self;
            let Json(order) = {
                let __arg1 = __arg1;
                __arg1
            };
            let times = times;
            let call = ::idempotent_core::Operation::new("gate.charge")
                .key(&(&__self.shop, ":", &order.id))
                .returning::<Result<Receipt, ChargeError>>()
                .comparing(|results| results.compare_ok());
            call.run(move || async move {
                    if false {
                        return ::idempotent_core::__output::<
                            Result<Receipt, ChargeError>,
                        >();
                    }
                    let __ret: Result<Receipt, ChargeError> = {
                        let order = order;
                        gateway::charge(__self, order, note, times).await
                    };
                    #[allow(unreachable_code)] __ret
                })
                .await
        })
    }
}
